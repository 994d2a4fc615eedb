package server

import (
	"crypto/tls"
	"errors"
	"mime"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/wire"
)

// mediaTypes are the encodings by their Content-Type (Additional Message
// Encodings 1.0 §2.5). A response has the type of its request.
var mediaTypes = map[string]wire.Encoding{
	"application/octet-stream": wire.TTLV,
	"text/xml":                 wire.XML,
	"application/xml":          wire.XML,
	"application/json":         wire.JSON,
}

// HTTP returns the handler of KMIP over HTTPS (Additional Message Encodings 1.0
// §2): one POST is one message, in TTLV, XML or JSON. The listener verifies the
// certificates of clients; who a certificate belongs to, and everything behind,
// is as on a connection of [Server.Serve]. Whenever there is a response of KMIP
// the status is 200.
//
// The handler may serve until Shutdown, which waits for what is being processed.
func (s *Server) HTTP() http.Handler { return http.HandlerFunc(s.serveHTTP) }

// httpSession is the TLS connection of a request.
type httpSession struct{ state *tls.ConnectionState }

func (h httpSession) ConnectionState() tls.ConnectionState { return *h.state }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	mediaType, encoding, known := encodingOf(r)
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "KMIP takes POST", http.StatusMethodNotAllowed)
	case !known:
		w.Header().Set("Accept-Post", "application/octet-stream, text/xml, application/json")
		http.Error(w, "KMIP is application/octet-stream, text/xml or application/json, in UTF-8", http.StatusUnsupportedMediaType)
	case r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || len(r.TLS.VerifiedChains) == 0:
		http.Error(w, "present the certificate of a KMIP client", http.StatusUnauthorized)
	case r.ContentLength > int64(s.c.Limits.MaxBytes):
		s.tooLarge(w, r, &wire.TooLargeError{Bytes: r.ContentLength, Limit: s.c.Limits.MaxBytes})
	case !s.enter():
		w.Header().Set("Connection", "close")
		http.Error(w, "the server is busy, or ends", http.StatusServiceUnavailable)
	default:
		defer s.leave()
		s.exchange(w, r, mediaType, encoding)
	}
}

// exchange reads one message and writes its response.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request, mediaType string, encoding wire.Encoding) {
	var message, out []byte
	defer func() {
		clear(message)
		clear(out)
		if p := recover(); p != nil {
			s.c.Log.Error("request failed", "peer", r.RemoteAddr, "panic", p, "stack", string(debug.Stack()))
			panic(http.ErrAbortHandler) // ends the connection without a word
		}
	}()
	deadlines := http.NewResponseController(w)
	_ = deadlines.SetReadDeadline(time.Now().Add(s.c.Timeouts.Body))
	message, err := wire.ReadAll(r.Body, s.c.Limits)
	if err != nil {
		s.readBodyFailed(w, r, err)
		return
	}
	_ = deadlines.SetReadDeadline(time.Time{}) // the server sets that of the next request
	c := caller{s: s, peer: r.RemoteAddr, tls: httpSession{r.TLS}, encoding: encoding}
	c.met = func(v custody.Visitor) { s.noteHTTP(r, c.presented(), v) }
	out = c.respond(message, nil)
	_ = deadlines.SetWriteDeadline(time.Now().Add(s.c.Timeouts.Write))
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	if _, err := w.Write(out); err != nil {
		s.c.Log.Debug("response not sent", "peer", r.RemoteAddr, "error", err)
	}
}

// readBodyFailed ends a request whose body did not arrive.
func (s *Server) readBodyFailed(w http.ResponseWriter, r *http.Request, err error) {
	var tooLarge *wire.TooLargeError
	switch {
	case errors.As(err, &tooLarge):
		s.tooLarge(w, r, err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		http.Error(w, "the message took too long", http.StatusRequestTimeout)
	default:
		s.c.Log.Debug("request ended", "peer", r.RemoteAddr, "error", err)
		http.Error(w, "the message ended too early", http.StatusBadRequest)
	}
}

func (s *Server) tooLarge(w http.ResponseWriter, r *http.Request, err error) {
	s.c.Log.Warn("message refused", "peer", r.RemoteAddr, "error", err)
	w.Header().Set("Connection", "close") // the rest of the message is still in it
	http.Error(w, "the message is larger than this server takes", http.StatusRequestEntityTooLarge)
}

// encodingOf tells the encoding of a request by its Content-Type. Text is in
// UTF-8, compressed bodies are not taken.
func encodingOf(r *http.Request) (mediaType string, e wire.Encoding, known bool) {
	mediaType, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || r.Header.Get("Content-Encoding") != "" {
		return "", 0, false
	}
	if charset := strings.ToLower(parameters["charset"]); charset != "" && charset != "utf-8" && charset != "us-ascii" {
		return "", 0, false
	}
	e, known = mediaTypes[mediaType]
	return mediaType, e, known
}
