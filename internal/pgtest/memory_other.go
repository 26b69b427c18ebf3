//go:build !linux

package pgtest

func roomyTempDir() string { return tempDir }
