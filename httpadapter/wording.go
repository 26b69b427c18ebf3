package httpadapter

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/postern-auth/postern"
)

// wording is what the confirmation page says in one language.
type wording struct {
	titles map[postern.VerifyType]string // what a link is for
	once   string                        // how to go on
	button string
	broken string // the title when a link cannot be used
	again  string // what to do about it
}

// title is the one of a type of link. What nobody has words for is only confirmed.
func (words wording) title(t postern.VerifyType) string {
	if t == postern.VerifyEmail {
		t = postern.VerifyMagicLink
	}
	return cmp.Or(words.titles[t], words.button)
}

// wordingFor picks the best of the languages that the client would like to read.
func wordingFor(r *http.Request) (language string, words wording) {
	for _, tag := range languages(r) {
		primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if words, ok := wordings[primary]; ok {
			return primary, words
		}
	}
	return "en", wordings["en"]
}

// wordings are by primary language subtag.
var wordings = map[string]wording{
	"en": {
		titles: map[postern.VerifyType]string{
			postern.VerifySignUp:      "Confirm your e-mail address",
			postern.VerifyInvite:      "Accept the invitation",
			postern.VerifyMagicLink:   "Sign in",
			postern.VerifyRecovery:    "Choose a new password",
			postern.VerifyEmailChange: "Confirm the change of your e-mail address",
		},
		once:   "Press the button to go on. The link works only once.",
		button: "Continue",
		broken: "This link does not work",
		again:  "Open it from the message once more, all of it, and press the button.",
	},
	"de": {
		titles: map[postern.VerifyType]string{
			postern.VerifySignUp:      "E-Mail-Adresse bestätigen",
			postern.VerifyInvite:      "Einladung annehmen",
			postern.VerifyMagicLink:   "Anmelden",
			postern.VerifyRecovery:    "Neues Passwort wählen",
			postern.VerifyEmailChange: "Änderung der E-Mail-Adresse bestätigen",
		},
		once:   "Tippen Sie auf „Weiter“. Der Link gilt nur einmal.",
		button: "Weiter",
		broken: "Dieser Link funktioniert nicht",
		again:  "Öffnen Sie ihn noch einmal vollständig aus der Nachricht und tippen Sie auf „Weiter“.",
	},
	"fr": {
		titles: map[postern.VerifyType]string{
			postern.VerifySignUp:      "Confirmez votre adresse e-mail",
			postern.VerifyInvite:      "Acceptez l’invitation",
			postern.VerifyMagicLink:   "Connectez-vous",
			postern.VerifyRecovery:    "Choisissez un nouveau mot de passe",
			postern.VerifyEmailChange: "Confirmez le changement d’adresse e-mail",
		},
		once:   "Appuyez sur le bouton pour continuer. Le lien ne sert qu’une fois.",
		button: "Continuer",
		broken: "Ce lien ne fonctionne pas",
		again:  "Ouvrez-le de nouveau en entier depuis le message, puis appuyez sur le bouton.",
	},
	"es": {
		titles: map[postern.VerifyType]string{
			postern.VerifySignUp:      "Confirme su correo electrónico",
			postern.VerifyInvite:      "Acepte la invitación",
			postern.VerifyMagicLink:   "Inicie sesión",
			postern.VerifyRecovery:    "Elija una contraseña nueva",
			postern.VerifyEmailChange: "Confirme el cambio de correo electrónico",
		},
		once:   "Pulse el botón para continuar. El enlace sirve una sola vez.",
		button: "Continuar",
		broken: "Este enlace no funciona",
		again:  "Ábralo de nuevo, completo, desde el mensaje y pulse el botón.",
	},
	"pt": {
		titles: map[postern.VerifyType]string{
			postern.VerifySignUp:      "Confirme o seu e-mail",
			postern.VerifyInvite:      "Aceite o convite",
			postern.VerifyMagicLink:   "Inicie sessão",
			postern.VerifyRecovery:    "Escolha uma nova senha",
			postern.VerifyEmailChange: "Confirme a mudança de e-mail",
		},
		once:   "Toque no botão para continuar. O link só funciona uma vez.",
		button: "Continuar",
		broken: "Este link não funciona",
		again:  "Abra-o de novo, por inteiro, a partir da mensagem e toque no botão.",
	},
	"ja": {
		titles: map[postern.VerifyType]string{
			postern.VerifySignUp:      "メールアドレスの確認",
			postern.VerifyInvite:      "招待の承諾",
			postern.VerifyMagicLink:   "ログイン",
			postern.VerifyRecovery:    "新しいパスワードの設定",
			postern.VerifyEmailChange: "メールアドレス変更の確認",
		},
		once:   "ボタンを押すと先へ進みます。リンクは一度しか使えません。",
		button: "続ける",
		broken: "このリンクは使えません",
		again:  "メッセージからリンク全体をもう一度開き、ボタンを押してください。",
	},
}
