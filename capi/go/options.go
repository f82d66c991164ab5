// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unsafe"
)

// Options of Open. What is zero takes its default; a Secret, or a list of algorithms, that is empty but
// not nil is ErrBadRequest.
type Options struct {
	Database string // SQLite file, created if absent. "": no database.
	// File with the key-encryption key of the database. "": Database + ".kek". Created with mode 0600
	// when the database is, unless it is there, with a warning. Refused when group or others have any
	// right to it, when it belongs to anybody but root and this process's effective user, and when it
	// is a symbolic link.
	KEKFile string
	// The key-encryption key itself, 32 bytes, instead of a file. The caller wipes its own copy.
	KEK Secret
	// UID of an AES-256 key in one of the HSMs that wraps the key-encryption key, which is then kept,
	// wrapped, in the database itself: without the HSM nobody opens it. The key must be there: CreateKey
	// with KeyTypeOct makes one for HSMs with AES-GCM; for AES key wrap it is made by the HSM's own
	// tool. Excludes KEKFile and KEK.
	KeyEncryptionKey string
	CacheTTL         time.Duration // How long another process's change may go unseen. Default 1 s.
	CacheEntries     int           // Decrypted keys held at most. Default 1024.
	BusyTimeout      time.Duration // Wait for another process's write. Default 5 s.

	HSMs []HSM
	// Slots that hold the same RSA keys under the same labels, two or more in a pool:
	// {{"hsm::softhsm2::0", "hsm::softhsm2::1"}}. UIDs of the first are served by whichever is at hand.
	HSMPools  [][]string
	Providers []ProviderOptions

	Policy Policy
	Admins []string // Principals who may do everything with every key; "*" is all of them.

	// Receives warnings for the operator; nil: they go to standard error. Like OnAudit it is called
	// from within calls, several at a time, and must return without calling the same Kms. A panic in
	// either is logged, and the call goes on.
	OnWarning func(text string)
	// Receives each call that might touch a key, after it was decided, before it returns.
	OnAudit func(AuditEvent)

	OpenSSLProperties string // Property query for every algorithm, such as "fips=yes".
	OpenSSLConfig     string // OpenSSL configuration file for this Kms alone.
}

// Policy says what is allowed. What is zero takes its default, which is strict.
type Policy struct {
	Algs             []string // All others are refused. Default: RSA-OAEP, RSA-OAEP-256, dir.
	Encs             []string // Default: A128GCM, A192GCM, A256GCM.
	AllowMissingKid  bool     // Tokens with no kid; the caller names the key instead.
	AllowUnprotected bool     // alg, enc, kid in any header (RFC 7516 §7.2.1).
	AllowZip         bool     // "zip":"DEF"; lengths then tell of contents.
	AllowCompromised bool     // Decryption under keys marked compromised.
	RSAMinBits       int      // Not below 1024. Default 2048.
	MaxTokenBytes    int      // A whole serialization. Default 64 MiB.
	MaxHeaderBytes   int      // A decoded header. Default, and at most, 16384.
	MaxRecipients    int      // Of a general serialization. Default 100.
	MaxInflatedBytes int      // Plaintext of a zip token. Default 1 MiB.
	MaxInflatedRatio int      // Plaintext bytes for each compressed byte. Default 100.
}

// HSM is one HSM behind PKCS#11. UIDs of its keys are hsm::<model>::<slot number>::<label>, and of
// the second HSM of one model hsm::<model>_1::...
type HSM struct {
	Model       string // Required: softhsm2, utimaco, proteccio, crypt2pay, smartcardhsm, other.
	ModulePath  string // Default: the model's usual path.
	InitArgs    string // Handed to C_Initialize as pReserved, for modules that want it (NSS).
	Slots       []HSMSlot
	CEKBoundary CEKBoundary // Default CEKInProcess.
	// Where a token lacks OAEP with a hash, let it do the bare RSA operation and take the padding off
	// here, in constant time. CEKInProcess only. Default: with the model.
	RawRSAFallback Switch
	// With CEKInHSM, refuse keys that could bring a CEK out. Without it each gives a warning.
	ForbidWeakKeys bool
	MaxSessions    int           // For operations in flight, a slot. At most 4096. Default 32.
	SessionTimeout time.Duration // Wait for a session at most; then ErrUnavailable. Default 5 s.
	Admins         []string      // Principals who may do everything with the keys of this HSM.
}

// HSMSlot is one token. Which one: by label and serial where either is given, by SlotID where that
// is, else the token at position Number of C_GetSlotList.
type HSMSlot struct {
	Number      uint64 // Stands in the UIDs.
	TokenLabel  string
	TokenSerial string
	SlotID      *uint64 // CK_SLOT_ID.
	// The PIN, or where it is: "file:/path" (a last newline is left out), "env:NAME". The caller wipes
	// its own copy.
	PIN   Secret
	Login Login // Default LoginUser.
}

// CEKBoundary says where a CEK is while a token is decrypted.
type CEKBoundary int32

const (
	// CEKInProcess: the HSM decrypts encrypted_key; the CEK stays in wiped process memory for the call.
	CEKInProcess CEKBoundary = 1
	// CEKInHSM: the CEK is never in process memory. Where the HSM cannot, the call fails.
	CEKInHSM CEKBoundary = 2
)

// Switch is on, off, or as usual.
type Switch int32

const (
	AsUsual Switch = 0
	On      Switch = 1
	Off     Switch = 2
)

// Login says whether there is one.
type Login int32

const (
	LoginUser Login = 1 // CKU_USER, with the PIN.
	LoginNone Login = 2 // Keys that everybody may use; no PIN.
)

// Secret is text or bytes that fmt, and what marshals text, do not print.
type Secret []byte

const redacted = "[secret]"

// Format prints "[secret]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// MarshalText gives "[secret]".
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// values turns Go's values into C's, and remembers the first that does not fit.
type values struct{ err error }

func (v *values) uint32(name string, value int) uint32 {
	if value < 0 || int64(value) > math.MaxUint32 {
		v.fail(name, "is out of range")
	}
	return uint32(value)
}

func (v *values) size(name string, value int) uintptr {
	if value < 0 {
		v.fail(name, "is out of range")
	}
	return uintptr(value)
}

// milliseconds rounds up, since 0 would be the default.
func (v *values) milliseconds(name string, value time.Duration) uint32 {
	ms := int64(value / time.Millisecond)
	if value%time.Millisecond > 0 {
		ms++
	}
	if value < 0 || ms > math.MaxUint32 {
		v.fail(name, "is out of range")
	}
	return uint32(ms)
}

// secret is not given only if it is nil: one that is empty got lost, and is no wish for the default.
func (v *values) secret(name string, value Secret) span {
	if value != nil && len(value) == 0 {
		v.fail(name, "is empty")
	}
	return bytesOf(value)
}

// words is a list of names with spaces between them, and likewise not given only if it is nil.
func (v *values) words(name string, list []string) string {
	words := strings.Join(list, " ")
	if list != nil && words == "" {
		v.fail(name, "is empty")
	}
	return words
}

func (v *values) fail(name, how string) {
	if v.err == nil {
		v.err = badRequest("%s %s", name, how)
	}
}

func flag(set bool, value uint32) uint32 {
	if set {
		return value
	}
	return 0
}

// toC gives what jwekms_open takes. The hooks are to be held or abandoned.
func (o *Options) toC() (*cOpenOptions, *hooks, error) {
	var v values
	p := &o.Policy
	c := &cOpenOptions{
		structSize: uint32(unsafe.Sizeof(cOpenOptions{})),
		policyFlags: flag(p.AllowMissingKid, 1) | flag(p.AllowUnprotected, 2) | flag(p.AllowZip, 4) |
			flag(p.AllowCompromised, 8),
		databasePath:      spanOf(o.Database),
		kekPath:           spanOf(o.KEKFile),
		kek:               v.secret("KEK", o.KEK),
		policyAlgs:        spanOf(v.words("Algs", p.Algs)),
		policyEncs:        spanOf(v.words("Encs", p.Encs)),
		opensslProperties: spanOf(o.OpenSSLProperties),
		opensslConfig:     spanOf(o.OpenSSLConfig),
		rsaMinBits:        v.uint32("RSAMinBits", p.RSAMinBits),
		cacheTTLMs:        v.milliseconds("CacheTTL", o.CacheTTL),
		busyTimeoutMs:     v.milliseconds("BusyTimeout", o.BusyTimeout),
		cacheEntries:      v.uint32("CacheEntries", o.CacheEntries),
		maxTokenBytes:     v.size("MaxTokenBytes", p.MaxTokenBytes),
		maxHeaderBytes:    v.size("MaxHeaderBytes", p.MaxHeaderBytes),
		maxRecipients:     v.size("MaxRecipients", p.MaxRecipients),
		maxInflatedBytes:  v.size("MaxInflatedBytes", p.MaxInflatedBytes),
		maxInflatedRatio:  v.size("MaxInflatedRatio", p.MaxInflatedRatio),
		keyEncryptionKey:  spanOf(o.KeyEncryptionKey),
		admins:            spansOf(o.Admins),
	}
	hsms := make([]*cHSMOptions, len(o.HSMs))
	for i := range o.HSMs {
		hsms[i] = o.HSMs[i].toC(&v)
	}
	if len(hsms) > 0 {
		c.hsms, c.hsmCount = &hsms[0], uintptr(len(hsms))
	}
	pools := make([]string, len(o.HSMPools))
	for i, pool := range o.HSMPools {
		pools[i] = strings.Join(pool, " ")
	}
	c.hsmPools = spansOf(pools)
	if v.err != nil {
		return nil, nil, v.err
	}
	hooks, err := o.hook(c)
	return c, hooks, err
}

func (h *HSM) toC(v *values) *cHSMOptions {
	c := &cHSMOptions{
		structSize:       uint32(unsafe.Sizeof(cHSMOptions{})),
		flags:            flag(h.ForbidWeakKeys, 1),
		model:            spanOf(h.Model),
		modulePath:       spanOf(h.ModulePath),
		initArgs:         spanOf(h.InitArgs),
		cekBoundary:      int32(h.CEKBoundary),
		rawRSAFallback:   int32(h.RawRSAFallback),
		maxSessions:      v.uint32("MaxSessions", h.MaxSessions),
		sessionTimeoutMs: v.milliseconds("SessionTimeout", h.SessionTimeout),
		admins:           spansOf(h.Admins),
	}
	slots := make([]*cHSMSlot, len(h.Slots))
	for i := range h.Slots {
		slots[i] = h.Slots[i].toC(v)
	}
	if len(slots) > 0 {
		c.slots, c.slotCount = &slots[0], uintptr(len(slots))
	}
	return c
}

func (s *HSMSlot) toC(v *values) *cHSMSlot {
	c := &cHSMSlot{
		structSize:  uint32(unsafe.Sizeof(cHSMSlot{})),
		number:      s.Number,
		tokenLabel:  spanOf(s.TokenLabel),
		tokenSerial: spanOf(s.TokenSerial),
		pin:         v.secret("PIN", s.PIN),
		login:       int32(s.Login),
	}
	if s.SlotID != nil {
		c.flags, c.slotID = 1, *s.SlotID // JWEKMS_HSM_SLOT_BY_ID
	}
	return c
}
