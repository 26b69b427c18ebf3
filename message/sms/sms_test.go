package sms_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/sms"
)

const (
	credential = "cr3d/ntial+" // as a form and a header have it, it looks different
	code       = "481516"
	phone      = "15550100010"
	text       = "Your code is 481516"
)

var message = postern.SMS{Phone: phone, Channel: "sms", Code: code, Text: text}

// sender is what the constructors return.
type sender interface {
	postern.SMSSender
	WhatsApp() bool
}

// gateway is a service, with what its HTTP interface asks for and answers.
type gateway struct {
	name     string
	sender   func(sms.Endpoint) (sender, error)
	path     string
	header   string // Authorization
	form     url.Values
	success  string // an answer
	status   int    // of the success
	id       string // that the answer gives
	refusal  string // an answer, with %s where the reason stands
	refused  int    // the status of the refusal
	reason   string // around the reason in the error, with %s; "" if nothing is
	whatsApp bool
}

func gateways() []gateway {
	return []gateway{{
		name:     "twilio",
		sender:   twilio("MG1", ""),
		path:     "/2010-04-01/Accounts/AC%2F1/Messages.json",
		header:   basic("AC/1", credential),
		form:     url.Values{"To": {"+" + phone}, "Channel": {"sms"}, "From": {"MG1"}, "Body": {text}},
		success:  `{"sid":"SM1","status":"accepted","error_message":null,"error_code":null}`,
		status:   http.StatusCreated,
		id:       "SM1",
		refusal:  `{"code":21211,"message":%s,"more_info":"https://help.example/21211","status":400}`,
		refused:  http.StatusBadRequest,
		reason:   "%s More information: https://help.example/21211",
		whatsApp: true,
	}, {
		name:     "twilio_verify",
		sender:   func(e sms.Endpoint) (sender, error) { return verifier(e) },
		path:     "/v2/Services/VA1/Verifications",
		header:   basic("AC/1", credential),
		form:     url.Values{"To": {"+" + phone}, "Channel": {"sms"}},
		success:  `{"sid":"VE1","status":"pending","valid":false}`,
		status:   http.StatusCreated,
		id:       "VE1",
		refusal:  `{"code":60203,"message":%s,"status":429}`,
		refused:  http.StatusTooManyRequests,
		whatsApp: true,
	}, {
		name: "messagebird",
		sender: func(e sms.Endpoint) (sender, error) {
			return sms.MessageBird(sms.MessageBirdConfig{AccessKey: credential, Originator: "Acme", Endpoint: e})
		},
		path:   "/messages",
		header: "AccessKey " + credential,
		form: url.Values{
			"originator": {"Acme"}, "body": {text}, "recipients": {phone}, "type": {"sms"}, "datacoding": {"unicode"},
		},
		success: `{"id":"mb1","recipients":{"totalCount":1,"totalSentCount":1,"items":[{"recipient":15550100010}]}}`,
		status:  http.StatusCreated,
		id:      "mb1",
		refusal: `{"errors":[{"code":9,"description":%s,"parameter":"recipients"}]}`,
		refused: http.StatusUnprocessableEntity,
	}, {
		name: "vonage",
		sender: func(e sms.Endpoint) (sender, error) {
			return sms.Vonage(sms.VonageConfig{APIKey: "key", APISecret: credential, From: "Acme", Endpoint: e})
		},
		path: "/sms/json",
		form: url.Values{
			"from": {"Acme"}, "to": {phone}, "text": {text}, "api_key": {"key"}, "api_secret": {credential},
		},
		success: `{"message-count":"1","messages":[{"to":"15550100010","message-id":"v1","status":"0"}]}`,
		status:  http.StatusOK,
		id:      "v1",
		refusal: `{"message-count":"1","messages":[{"status":"4","error-text":%s}]}`,
		refused: http.StatusOK,
	}, {
		name: "textlocal",
		sender: func(e sms.Endpoint) (sender, error) {
			return sms.Textlocal(sms.TextlocalConfig{APIKey: credential, Sender: "ACME", Endpoint: e})
		},
		path:    "/send",
		form:    url.Values{"sender": {"ACME"}, "apikey": {credential}, "message": {text}, "numbers": {phone}},
		success: `{"status":"success","batch_id":7}`,
		status:  http.StatusOK,
		refusal: `{"status":"failure","errors":[{"code":3,"message":%s}]}`,
		refused: http.StatusOK,
	}}
}

func twilio(from, contentSID string) func(sms.Endpoint) (sender, error) {
	return func(e sms.Endpoint) (sender, error) {
		return sms.Twilio(sms.TwilioConfig{
			AccountSID: "AC/1", AuthToken: credential, MessageServiceSID: from, ContentSID: contentSID, Endpoint: e,
		})
	}
}

func verifier(e sms.Endpoint) (*sms.Verifier, error) {
	return sms.TwilioVerify(sms.TwilioVerifyConfig{AccountSID: "AC/1", AuthToken: credential, ServiceSID: "VA1", Endpoint: e})
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// received is what a service was asked.
type received struct {
	method, path, authorization, contentType string
	form                                     url.Values
}

// serve starts a service that answers with status and body. What it is asked can
// be received afterwards.
func serve(t *testing.T, status int, body string) (sms.Endpoint, <-chan received) {
	t.Helper()
	asked := make(chan received, 1)
	return serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			t.Error(err)
		}
		asked <- received{r.Method, r.URL.EscapedPath(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), form}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}), asked
}

func serveFunc(t *testing.T, f http.HandlerFunc) sms.Endpoint {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return sms.Endpoint{URL: server.URL + "/", Client: server.Client()}
}

func connect(t *testing.T, g gateway, e sms.Endpoint) sender {
	t.Helper()
	s, err := g.sender(e)
	if err != nil {
		t.Fatalf("making the sender: %v", err)
	}
	return s
}

func eachGateway(t *testing.T, test func(t *testing.T, g gateway)) {
	t.Helper()
	for _, g := range gateways() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			test(t, g)
		})
	}
}

func TestSendAsksAsTheServiceWantsToBeAsked(t *testing.T) {
	t.Parallel()
	eachGateway(t, func(t *testing.T, g gateway) {
		endpoint, asked := serve(t, g.status, g.success)
		s := connect(t, g, endpoint)
		id, err := s.SendSMS(t.Context(), message)
		if err != nil || id != g.id {
			t.Errorf("SendSMS = %q, %v; want %q", id, err, g.id)
		}
		want := received{"POST", g.path, g.header, "application/x-www-form-urlencoded", g.form}
		if got := <-asked; !reflect.DeepEqual(got, want) {
			t.Errorf("the service was asked\n%+v, want\n%+v", got, want)
		}
		if s.WhatsApp() != g.whatsApp {
			t.Errorf("WhatsApp() = %v, want %v", s.WhatsApp(), g.whatsApp)
		}
	})
}

func TestChannelDefaultsToSMSAndUnknownOnesAreRefusedUnasked(t *testing.T) {
	t.Parallel()
	eachGateway(t, func(t *testing.T, g gateway) {
		endpoint, asked := serve(t, g.status, g.success)
		s := connect(t, g, endpoint)
		m := message
		m.Channel = ""
		if _, err := s.SendSMS(t.Context(), m); err != nil {
			t.Errorf("without a channel: %v", err)
		}
		if got := <-asked; !reflect.DeepEqual(got.form, g.form) {
			t.Errorf("without a channel the form is %v, want %v", got.form, g.form)
		}
		for _, channel := range []string{"call", "whatsapp"} {
			m.Channel = channel
			if channel == "whatsapp" && g.whatsApp {
				continue
			}
			if _, err := s.SendSMS(t.Context(), m); err == nil {
				t.Errorf("a message by %s was accepted", channel)
			}
		}
		if len(asked) > 0 {
			t.Error("the service was asked about a channel that it has not")
		}
	})
}

func TestRefusalIsToldInTheServicesWords(t *testing.T) {
	t.Parallel()
	eachGateway(t, func(t *testing.T, g gateway) {
		endpoint, _ := serve(t, g.refused, fmt.Sprintf(g.refusal, `"That number is no number."`))
		_, err := connect(t, g, endpoint).SendSMS(t.Context(), message)
		want := "That number is no number."
		if g.reason != "" {
			want = fmt.Sprintf(g.reason, want)
		}
		checkError(t, err, g.name, want)
		if errors.Unwrap(err) != nil {
			t.Errorf("a refusal has the cause %v", errors.Unwrap(err))
		}
	})
}

func TestRefusalsAreShortLinesWithoutSecrets(t *testing.T) {
	t.Parallel()
	eachGateway(t, func(t *testing.T, g gateway) {
		header := g.header[strings.IndexByte(g.header, ' ')+1:]
		reason := fmt.Sprintf(`"no:\r\n\t%s %s %s %s \u001b[31m\u202e%s"`,
			credential, url.QueryEscape(credential), header, code, strings.Repeat("ä", 1000))
		endpoint, _ := serve(t, g.refused, fmt.Sprintf(g.refusal, reason))
		_, err := connect(t, g, endpoint).SendSMS(t.Context(), message)
		if err == nil {
			t.Fatal("a refusal is no error")
		}
		got := err.Error()
		if n := len([]rune(got)); n != 200 || !strings.HasSuffix(got, "ä…") {
			t.Errorf("the error has %d characters, want 200 with the last saying that there was more: %s", n, got)
		}
		if strings.ContainsAny(got, "\r\n\t\x1b\u202e") {
			t.Errorf("the error has control characters: %q", got)
		}
		for _, secret := range []string{credential, url.QueryEscape(credential), code} {
			if strings.Contains(fmt.Sprintf("%v %+v", err, errors.Unwrap(err)), secret) {
				t.Errorf("the error shows %q: %s", secret, got)
			}
		}
		if header != "" && strings.Contains(got, header) {
			t.Errorf("the error shows the header: %s", got)
		}
	})
}

func TestAnswersThatSayNothingAreErrors(t *testing.T) {
	t.Parallel()
	eachGateway(t, func(t *testing.T, g gateway) {
		for _, test := range []struct {
			name   string
			status int
			body   string
			want   string
		}{
			{"not JSON", 200, "<html>It works!</html>", " gave an answer that makes no sense"},
			{"nothing", 200, "", " gave an answer that makes no sense"},
			{"half of it", 200, g.success[:len(g.success)/2], " gave an answer that makes no sense"},
			{"another type", 200, `[1,2]`, " gave an answer that makes no sense"},
			{"more than JSON", 200, g.success + "x", " gave an answer that makes no sense"},
			{"a page for an error", 502, "<html>Bad Gateway</html>", " answered with status 502"},
			{"an error without a reason", 503, "{}", " answered with status 503"},
			{"an error that calls itself a success", 500, g.success, " answered with status 500"},
		} {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				endpoint, _ := serve(t, test.status, test.body)
				_, err := connect(t, g, endpoint).SendSMS(t.Context(), message)
				checkError(t, err, g.name, g.name+test.want)
			})
		}
	})
}

func TestAnswersThatEndEarlyOrNeverAreErrors(t *testing.T) {
	t.Parallel()
	eachGateway(t, func(t *testing.T, g gateway) {
		for _, test := range []struct {
			name   string
			answer http.HandlerFunc
			want   string
		}{
			{"cut off", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				w.WriteHeader(g.status)
				io.WriteString(w, g.success)
			}, " broke off in its answer"},
			{"hung up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, " could not be reached"},
			{"huge", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(g.status)
				for err := error(nil); err == nil; {
					_, err = io.WriteString(w, strings.Repeat(" ", 4096))
				}
			}, " answered with too much"},
			{"redirected", func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					t.Error("a redirect was followed")
				}
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			}, " answered with status 307"},
		} {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				_, err := connect(t, g, serveFunc(t, test.answer)).SendSMS(t.Context(), message)
				checkError(t, err, g.name, g.name+test.want)
			})
		}
	})
}

func TestSlowServiceIsGivenUp(t *testing.T) {
	t.Parallel()
	eachGateway(t, func(t *testing.T, g gateway) {
		for name, beforehand := range map[string]func(http.ResponseWriter){
			"before its answer": func(http.ResponseWriter) {},
			"within its answer": func(w http.ResponseWriter) {
				io.WriteString(w, g.success[:3])
				w.(http.Flusher).Flush()
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				done := make(chan struct{})
				endpoint := serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
					beforehand(w)
					<-done
				})
				t.Cleanup(func() { close(done) }) // before the server is closed, which waits
				endpoint.Client.Timeout = 200 * time.Millisecond
				_, err := connect(t, g, endpoint).SendSMS(t.Context(), message)
				checkError(t, err, g.name, g.name+" did not answer in time")
			})
		}
	})
}

func TestContextEndsTheRequest(t *testing.T) {
	t.Parallel()
	eachGateway(t, func(t *testing.T, g gateway) {
		ctx, cancel := context.WithCancel(t.Context())
		endpoint := serveFunc(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client is gone
			cancel()
			<-r.Context().Done()
		})
		_, err := connect(t, g, endpoint).SendSMS(ctx, message)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want one that is context.Canceled", err)
		}
	})
}

func TestUnreachableServiceShowsNoAddressToClients(t *testing.T) {
	t.Parallel()
	eachGateway(t, func(t *testing.T, g gateway) {
		server := httptest.NewServer(nil)
		server.Close()
		_, err := connect(t, g, sms.Endpoint{URL: server.URL}).SendSMS(t.Context(), message)
		checkError(t, err, g.name, g.name+" could not be reached")
		if cause := errors.Unwrap(err); cause == nil || !strings.Contains(cause.Error(), "127.0.0.1") {
			t.Errorf("the cause is %v, want one that names the address, for the log", cause)
		}
	})
}

func TestSenderLeavesTheClientItIsGivenAsItIs(t *testing.T) {
	t.Parallel()
	client := &http.Client{}
	if _, err := twilio("MG1", "")(sms.Endpoint{Client: client}); err != nil {
		t.Fatal(err)
	}
	if client.CheckRedirect != nil {
		t.Error("the client was changed")
	}
}

func TestConstructorsNameEveryMistake(t *testing.T) {
	t.Parallel()
	bad := sms.Endpoint{URL: "rest.example.com"}
	for _, test := range []struct {
		name string
		make func() error
		want string
	}{
		{"twilio", func() error { _, err := sms.Twilio(sms.TwilioConfig{Endpoint: bad}); return err },
			"AccountSID AuthToken MessageServiceSID"},
		{"twilio_verify", func() error { _, err := sms.TwilioVerify(sms.TwilioVerifyConfig{Endpoint: bad}); return err },
			"AccountSID AuthToken ServiceSID"},
		{"messagebird", func() error { _, err := sms.MessageBird(sms.MessageBirdConfig{Endpoint: bad}); return err },
			"AccessKey Originator"},
		{"vonage", func() error { _, err := sms.Vonage(sms.VonageConfig{Endpoint: bad}); return err },
			"APIKey APISecret From"},
		{"textlocal", func() error { _, err := sms.Textlocal(sms.TextlocalConfig{Endpoint: bad}); return err },
			"APIKey Sender"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var want []string
			for field := range strings.FieldsSeq(test.want) {
				want = append(want, fmt.Sprintf("sms: %s needs its %s", test.name, field))
			}
			want = append(want, fmt.Sprintf("sms: the endpoint's URL of %s must be an absolute http or https URL", test.name))
			if err := test.make(); err == nil || err.Error() != strings.Join(want, "\n") {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

func TestServicesAreAtHomeWhereTheyAre(t *testing.T) {
	t.Parallel()
	homes := map[string]string{
		"twilio":        "https://api.twilio.com",
		"twilio_verify": "https://verify.twilio.com",
		"messagebird":   "https://rest.messagebird.com",
		"vonage":        "https://rest.nexmo.com",
		"textlocal":     "https://api.textlocal.in",
	}
	eachGateway(t, func(t *testing.T, g gateway) {
		var asked string
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			asked = r.URL.String()
			return nil, errors.New("offline")
		})}
		_, err := connect(t, g, sms.Endpoint{Client: client}).SendSMS(t.Context(), message)
		checkError(t, err, g.name, g.name+" could not be reached")
		if want := homes[g.name] + g.path; asked != want {
			t.Errorf("asked %s, want %s", asked, want)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func checkError(t *testing.T, err error, service, want string) {
	t.Helper()
	e, ok := errors.AsType[*sms.Error](err)
	if !ok {
		t.Fatalf("got %v, want an *sms.Error", err)
	}
	if e.Service != service || e.Error() != want {
		t.Errorf("got %q of %q, want %q of %q", e.Error(), e.Service, want, service)
	}
}
