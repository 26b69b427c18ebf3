package postern

// Tidy is one round of what Run does.
var Tidy = (*Auth).tidy
