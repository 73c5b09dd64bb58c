package identity

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"millpond/internal/fault"
)

// Secret holds clear bytes that no print, log or JSON may show. Only Reveal
// lets them out.
type Secret struct{ clear []byte }

const hidden = "[secret]"

// NewSecret takes a copy of clear.
func NewSecret(clear []byte) Secret { return Secret{bytes.Clone(clear)} }

// Reveal gives the clear bytes; the caller keeps them out of logs.
func (s Secret) Reveal() []byte { return s.clear }

// String hides the secret from %s and %v.
func (Secret) String() string { return hidden }

// GoString hides it from %#v.
func (Secret) GoString() string { return hidden }

// Format hides it from every other verb.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, hidden) }

// LogValue hides it from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON refuses: a secret in a document is a fault of the program.
func (Secret) MarshalJSON() ([]byte, error) {
	return nil, errors.New("identity: a secret cannot be written as JSON")
}

// VerifySharedKey checks a signature of the SharedKey scheme: base64 of
// HMAC-SHA256 over the canonical string (facts/wire.md 1.3). The comparison
// takes the same time wherever the first difference lies.
func VerifySharedKey(stringToSign string, key []byte, signature string) bool {
	given, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || len(key) == 0 {
		return false
	}
	return hmac.Equal(given, mac(stringToSign, key))
}

// SignSharedKey makes the signature VerifySharedKey accepts.
func SignSharedKey(stringToSign string, key []byte) string {
	return base64.StdEncoding.EncodeToString(mac(stringToSign, key))
}

func mac(text string, key []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// newClientSecret makes 256 random bits and their hash. One salted SHA-256 is
// enough here, where it would not be for a password: nobody can guess 256
// random bits however fast the hash is, and a slow hash would only let
// strangers burn our processor at the token endpoint.
func newClientSecret() (Secret, string) {
	clear := base64.RawURLEncoding.EncodeToString(random(32))
	return Secret{[]byte(clear)}, hashClientSecret(clear, random(16))
}

const clientSecretScheme = "sha256"

func hashClientSecret(clear string, salt []byte) string {
	sum := sha256.Sum256(append(bytes.Clone(salt), clear...))
	enc := base64.RawStdEncoding
	return clientSecretScheme + "$" + enc.EncodeToString(salt) + "$" + enc.EncodeToString(sum[:])
}

func clientSecretMatches(clear string, hashes []string) bool {
	found := 0
	for _, h := range hashes {
		parts := strings.Split(h, "$")
		if len(parts) != 3 || parts[0] != clientSecretScheme {
			continue
		}
		salt, err := base64.RawStdEncoding.DecodeString(parts[1])
		if err != nil {
			continue
		}
		found |= subtle.ConstantTimeCompare([]byte(hashClientSecret(clear, salt)), []byte(h))
	}
	return found == 1
}

// MaxPasswordLength is bcrypt's: it looks at no byte beyond.
const MaxPasswordLength = 72

// HashPassword hashes a node user's password with bcrypt, which agents check
// themselves (the hash travels, the password does not).
func HashPassword(property, clear string) (string, error) {
	if len(clear) > MaxPasswordLength {
		return "", fault.Property(property, "", fmt.Sprintf("A password has at most %d bytes", MaxPasswordLength))
	}
	h, err := bcrypt.GenerateFromPassword([]byte(clear), bcrypt.DefaultCost)
	if err != nil {
		return "", fault.New("InternalError", "").Because(err)
	}
	return string(h), nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}
