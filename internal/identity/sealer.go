package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"millpond/internal/fault"
)

// SealerKeyLength is the length in bytes of the key of a Sealer (AES-256).
const SealerKeyLength = 32

// Sealer encrypts secrets before the store sees them: AES-GCM, bound to owner
// and name, so that a sealed value moved to another row does not open.
type Sealer struct{ aead cipher.AEAD }

const sealedV1 = 1 // first byte: which scheme sealed the rest

// NewSealer takes a key of SealerKeyLength bytes given by configuration.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != SealerKeyLength {
		return nil, fmt.Errorf("the secret key has %d bytes, not %d", len(key), SealerKeyLength)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead}, nil
}

// OpenSealer reads the key file (64 hexadecimal digits), making it with mode
// 0600 at the first start. A file others may read is refused.
func OpenSealer(path string) (*Sealer, error) {
	if err := makeKeyFile(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o: it holds the key of every secret, make it 0600", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != SealerKeyLength {
		return nil, fmt.Errorf("%s does not hold %d hexadecimal digits", path, 2*SealerKeyLength)
	}
	return NewSealer(key)
}

// makeKeyFile links a complete file into place, so that a crash leaves either
// no key or a whole one, and two starters agree on the first.
func makeKeyFile(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(hex.EncodeToString(random(SealerKeyLength)) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Seal encrypts clear for the row (owner, name).
func (s *Sealer) Seal(owner, name string, clear []byte) []byte {
	nonce := random(s.aead.NonceSize())
	out := append([]byte{sealedV1}, nonce...)
	return s.aead.Seal(out, nonce, clear, label(owner, name))
}

// Open is the reverse; it fails with InternalError when the folder's key is
// another one or the row was changed.
func (s *Sealer) Open(owner, name string, sealed []byte) (Secret, error) {
	n := s.aead.NonceSize()
	if len(sealed) < 1+n || sealed[0] != sealedV1 {
		return Secret{}, fault.New("InternalError", "").Because(fmt.Errorf("secret %s/%s is not sealed", owner, name))
	}
	clear, err := s.aead.Open(nil, sealed[1:1+n], sealed[1+n:], label(owner, name))
	if err != nil {
		return Secret{}, fault.New("InternalError", "").Because(
			fmt.Errorf("secret %s/%s does not open: secret.key is not the one it was sealed with", owner, name))
	}
	return Secret{clear}, nil
}

func label(owner, name string) []byte { return []byte(owner + "\x00" + name) }
