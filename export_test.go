package postern

// Tidy is one round of what Run does.
var Tidy = (*Auth).tidy

// RetryAfter is for tests of how attempts are spread.
var RetryAfter = retryAfter
