package mail

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/postern-auth/postern"
)

// fileNames are how files are called, which is how GoTrue's variables name the
// mails (contract: config.md §2.1).
var fileNames = map[postern.MailType]string{
	postern.MailSignUp:           "confirmation",
	postern.MailInvite:           "invite",
	postern.MailRecovery:         "recovery",
	postern.MailMagicLink:        "magic_link",
	postern.MailEmailChange:      "email_change",
	postern.MailReauthentication: "reauthentication",
	postern.MailPasswordChanged:  "password_changed_notification",
	postern.MailEmailChanged:     "email_changed_notification",
	postern.MailPhoneChanged:     "phone_changed_notification",
	postern.MailIdentityLinked:   "identity_linked_notification",
	postern.MailIdentityUnlinked: "identity_unlinked_notification",
	postern.MailFactorEnrolled:   "mfa_factor_enrolled_notification",
	postern.MailFactorUnenrolled: "mfa_factor_unenrolled_notification",
}

// readFiles returns what is in the files' root, by mail; every mail has an entry.
func readFiles(files fs.FS) (map[postern.MailType]variants, error) {
	own := map[postern.MailType]variants{}
	for t := range fileNames {
		own[t] = variants{}
	}
	if files == nil {
		return own, nil
	}
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return own, err
	}
	var mistakes []error
	for _, entry := range entries {
		if part := partOf(entry.Name()); part != "" && !entry.IsDir() {
			mistakes = append(mistakes, readFile(files, entry.Name(), part, own))
		}
	}
	return own, errors.Join(mistakes...)
}

// partOf returns which part of a mail a file is by its name's end, "" for none.
func partOf(file string) string {
	for _, part := range []string{".html", ".subject.txt", ".txt"} {
		if strings.HasSuffix(file, part) {
			return part
		}
	}
	return ""
}

func readFile(files fs.FS, file, part string, own map[postern.MailType]variants) error {
	name, language, isTagged := strings.Cut(strings.TrimSuffix(file, part), ".")
	tag := canonicalTag(language)
	t := typeNamed(name)
	if t == "" || isTagged && tag == "" {
		return fmt.Errorf("%s is the name of no mail", file)
	}
	text, err := fs.ReadFile(files, file)
	if err != nil {
		return err
	}
	c := own[t].of(tag)
	switch part {
	case ".html":
		c.html, err = parseHTML(file, string(text))
	case ".subject.txt":
		c.subject, err = parseText(file, string(text))
	case ".txt":
		c.text, err = parseText(file, string(text))
	}
	return err
}

func typeNamed(name string) postern.MailType {
	for t, n := range fileNames {
		if n == name {
			return t
		}
	}
	return ""
}
