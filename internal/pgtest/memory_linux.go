package pgtest

import "syscall"

// roomyTempDir is where files go that need not outlive the machine: in memory, if
// there is room. Several file systems on disks take long to make and remove the many
// small files of a database.
func roomyTempDir() string {
	const memory, room = "/dev/shm", 2 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < room {
		return tempDir
	}
	return memory
}
