package mail

// Connection returns where m connects to and how.
func Connection(m *Mailer) (port int, mode TLSMode) { return m.cfg.Port, m.cfg.TLS }

// MaxWaiting is how many mails wait in the background.
const MaxWaiting = maxWaiting
