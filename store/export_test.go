package store

// Functions are the statements that take longer to plan than to run: the types of
// their parameters, and their texts.
func Functions() map[string]string {
	texts := map[string]string{}
	for _, f := range functions {
		if f.text != "" {
			texts[f.text] = f.params
		}
	}
	return texts
}

// SQLiteText is a statement as SQLite gets it.
func SQLiteText(text string) string { return sqliteText.Replace(text) }
