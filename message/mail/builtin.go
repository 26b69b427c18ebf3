package mail

import (
	"embed"
	"encoding/json"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"maps"
	"strings"
	"sync"
	texttemplate "text/template"

	"github.com/postern-auth/postern"
)

// The built-in mails are two layouts, and a file of phrases for each language.
//
//go:embed builtin
var builtinFiles embed.FS

// phrases are templates by the name under which the layouts include them.
type phrases map[string]string

// language is a file of phrases.
type language struct {
	Shared phrases                      `json:"shared"`
	Mails  map[postern.MailType]phrases `json:"mails"`
}

// builtin makes the built-in mails, each when it is first asked for: all of them
// would take longer than the start of a program should.
type builtin struct {
	languages map[string]language

	mu    sync.Mutex
	ready map[builtinKey]content
}

type builtinKey struct {
	tag string
	t   postern.MailType
}

func newBuiltin() (*builtin, error) {
	b := &builtin{languages: map[string]language{}, ready: map[builtinKey]content{}}
	files, err := fs.Glob(builtinFiles, "builtin/*.json")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := builtinFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var l language
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		b.languages[strings.TrimSuffix(strings.TrimPrefix(file, "builtin/"), ".json")] = l
	}
	return b, nil
}

// draft returns the mail in the first of the languages that there is, else in
// English.
func (b *builtin) draft(tags []string, t postern.MailType) (draft, error) {
	language := "en"
	for _, tag := range tags {
		if _, ok := b.languages[tag]; ok {
			language = tag
			break
		}
	}
	c, err := b.content(builtinKey{language, t})
	return draft{c, language}, err
}

func (b *builtin) content(key builtinKey) (content, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c, ok := b.ready[key]; ok {
		return c, nil
	}
	c, err := b.compile(key)
	if err != nil {
		return content{}, fmt.Errorf("the built-in mail %q in %q: %w", key.t, key.tag, err)
	}
	b.ready[key] = c
	return c, nil
}

func (b *builtin) compile(key builtinKey) (c content, err error) {
	p := b.phrases(key)
	if c.subject, err = texttemplate.New("subject").Parse(p["subject"]); err != nil {
		return c, err
	}
	if c.html, err = htmltemplate.ParseFS(builtinFiles, "builtin/layout.html"); err != nil {
		return c, err
	}
	if c.text, err = texttemplate.ParseFS(builtinFiles, "builtin/layout.txt"); err != nil {
		return c, err
	}
	for name, phrase := range p {
		if _, err := c.html.New(name).Parse(phrase); err != nil {
			return c, err
		}
		if _, err := c.text.New(name).Parse(phrase); err != nil {
			return c, err
		}
	}
	return c, nil
}

// phrases are those of the mail before those of all mails in its language.
func (b *builtin) phrases(key builtinKey) phrases {
	shared, own := b.languages[key.tag].Shared, b.languages[key.tag].Mails[key.t]
	p := phrases{"language": key.tag, "action": "", "title": own["subject"], "closing": shared["ignore"]}
	if strings.HasSuffix(string(key.t), "_notification") {
		p["closing"] = shared["alarm"]
	}
	maps.Copy(p, shared)
	maps.Copy(p, own)
	return p
}
