package identity

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"millpond/internal/fault"
)

// keyRing is the signing keys, newest first: the first signs, all verify.
type keyRing struct {
	keys []signingKey
	by   map[string]*rsa.PublicKey
	sign jose.Signer
}

type signingKey struct {
	ID  string `json:"kid"`
	DER []byte `json:"pkcs8"`
	key *rsa.PrivateKey
}

const (
	signingKeyBits = 2048
	keysOwner      = "identity"
	keysName       = "signing-keys"
	keysKept       = 2 // the newest, and the one whose tokens may still live
)

// Keys gives the public keys as a JSON Web Key Set, for the jwks_uri.
func (s *Identity) Keys(ctx context.Context) (jose.JSONWebKeySet, error) {
	ring, err := s.keys(ctx)
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	var set jose.JSONWebKeySet
	for _, k := range ring.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: &k.key.PublicKey, KeyID: k.ID, Algorithm: string(jose.RS256), Use: "sig"})
	}
	return set, nil
}

// RotateKey makes a new signing key; tokens of the one before stay good.
func (s *Identity) RotateKey(ctx context.Context) error {
	if _, err := s.keys(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addKey(ctx, s.ring.keys)
}

// keys gives the ring, made at the first call ever and read once per process.
func (s *Identity) keys(ctx context.Context) (*keyRing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ring != nil {
		return s.ring, nil
	}
	sealed, err := s.store.GetSecret(ctx, keysOwner, keysName)
	if err != nil {
		return nil, err
	}
	if sealed == nil {
		err := s.addKey(ctx, nil)
		return s.ring, err
	}
	clear, err := s.sealer.Open(keysOwner, keysName, sealed)
	if err != nil {
		return nil, err
	}
	var kept []signingKey
	if err := json.Unmarshal(clear.Reveal(), &kept); err != nil {
		return nil, fault.New("InternalError", "").Because(err)
	}
	s.ring, err = newRing(kept)
	return s.ring, err
}

// addKey is called with the lock held; it stores before it uses.
func (s *Identity) addKey(ctx context.Context, older []signingKey) error {
	key, err := rsa.GenerateKey(rand.Reader, signingKeyBits)
	if err != nil {
		return fault.New("InternalError", "").Because(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fault.New("InternalError", "").Because(err)
	}
	kept := append([]signingKey{{ID: uuid.NewString(), DER: der}}, older...)
	kept = kept[:min(len(kept), keysKept)]
	clear, err := json.Marshal(kept)
	if err != nil {
		return fault.New("InternalError", "").Because(err)
	}
	if err := s.store.PutSecret(ctx, keysOwner, keysName, s.sealer.Seal(keysOwner, keysName, clear)); err != nil {
		return err
	}
	s.ring, err = newRing(kept)
	return err
}

func newRing(kept []signingKey) (*keyRing, error) {
	ring := &keyRing{by: map[string]*rsa.PublicKey{}}
	for _, k := range kept {
		parsed, err := x509.ParsePKCS8PrivateKey(k.DER)
		key, ok := parsed.(*rsa.PrivateKey)
		if err != nil || !ok {
			return nil, fault.New("InternalError", "").Because(err)
		}
		k.key = key
		ring.keys = append(ring.keys, k)
		ring.by[k.ID] = &key.PublicKey
	}
	if len(ring.keys) == 0 {
		return nil, fault.New("InternalError", "")
	}
	var err error
	ring.sign, err = jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: ring.keys[0].key, KeyID: ring.keys[0].ID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fault.New("InternalError", "").Because(err)
	}
	return ring, nil
}
