//go:build !linux

package standalone

import "syscall"

// endWithParent does nothing where the system has no means for it.
func endWithParent() *syscall.SysProcAttr { return nil }
