package standalone

import "syscall"

// endWithParent has the kernel kill the process when this one is gone, which may
// be killed itself before it could do so.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
