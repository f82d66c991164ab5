// SPDX-License-Identifier: Apache-2.0

package jwekms

// The structs of jwekms.h, member by member. A test asks a C compiler for the size and the offsets.

type cError struct {
	structSize uint32
	code       int32
	position   uint32
	reserved   uint32
	text       uintptr
}

type cHSMSlot struct {
	structSize  uint32
	flags       uint32
	number      uint64
	tokenLabel  span
	tokenSerial span
	slotID      uint64
	pin         span
	login       int32
	reserved    uint32
}

type cHSMOptions struct {
	structSize       uint32
	flags            uint32
	model            span
	modulePath       span
	initArgs         span
	slots            **cHSMSlot
	slotCount        uintptr
	cekBoundary      int32
	rawRSAFallback   int32 `c:"raw_rsa_fallback"`
	maxSessions      uint32
	sessionTimeoutMs uint32
	admins           spans
}

type cAuditEvent struct {
	structSize  uint32
	status      int32
	timeNs      uint64
	principal   cText
	operation   cText
	kid         cText
	uid         cText
	other       cText
	permissions uint32
	reserved    uint32
}

// cText is a span of C's own memory.
type cText struct{ data, length uintptr }

func (t cText) String() string { return textOf(t.data, t.length) }

func (t cText) bytes() []byte { return view(t.data, t.length) }

type cOpenOptions struct {
	structSize        uint32
	policyFlags       uint32
	databasePath      span
	kekPath           span
	kek               span
	policyAlgs        span
	policyEncs        span
	opensslProperties span
	opensslConfig     span
	onWarning         uintptr
	onWarningData     uintptr
	rsaMinBits        uint32
	cacheTTLMs        uint32 `c:"cache_ttl_ms"`
	busyTimeoutMs     uint32
	cacheEntries      uint32
	maxTokenBytes     uintptr
	maxHeaderBytes    uintptr
	maxRecipients     uintptr
	maxInflatedBytes  uintptr
	maxInflatedRatio  uintptr
	hsms              **cHSMOptions
	hsmCount          uintptr
	hsmPools          spans
	keyEncryptionKey  span
	admins            spans
	onAudit           uintptr
	onAuditData       uintptr
	providers         **cProvider
	providerCount     uintptr
}

type cDecryptOptions struct {
	structSize uint32
	flags      uint32
	key        span
}

type cEncryptOptions struct {
	structSize    uint32
	serialization int32
	key           span
	alg           span
	enc           span
	aad           span
}

type cCreateKeyOptions struct {
	structSize uint32
	kind       int32 `c:"type"`
	bits       uint32
	flags      uint32
	uid        span
	algs       span
	enc        span
	owner      span
	aliases    spans
}

type cImportKeyOptions struct {
	structSize uint32
	format     int32
	passphrase span
	uid        span
	algs       span
	enc        span
	owner      span
	aliases    spans
}

type cUnwrapKeyOptions struct {
	structSize uint32
	flags      uint32
	key        span
	uid        span
	owner      span
	aliases    spans
}

type cListKeysOptions struct {
	structSize uint32
	limit      uint32
	after      span
	prefix     span
}

type cFinding struct {
	structSize uint32
	verdict    int32
	slot       uint64
	what       cText
	how        cText
	means      cText
	needed     int32
	reserved   uint32
}

// And of jwekms_provider.h, with the sizes that it gives memory for output.

const (
	maxCEKSize          = 64
	maxEncryptedKeySize = 2048
	maxJWKSize          = 16384
)

type cProvider struct {
	structSize uint32
	flags      uint32
	prefix     span
	admins     spans
	data       uintptr
	resolve    uintptr
	release    uintptr
	unwrap     uintptr
	wrap       uintptr
	decrypt    uintptr
	encrypt    uintptr
	publicJWK  uintptr
	afterFork  uintptr // Go programs do not fork
	destroy    uintptr
}

type cProvidedKey struct {
	structSize uint32
	flags      uint32
	key        uintptr
	kind       int32 `c:"type"`
	bits       uint32
	state      int32
	reserved   uint32
	createdAt  int64
	version    uint64
	uid        [256]byte
	uidLen     uintptr
	algs       [512]byte
	algsLen    uintptr
	enc        [32]byte
	encLen     uintptr
}

type cProvidedCEK struct {
	structSize   uint32
	size         uint32
	alg          cText
	enc          cText
	kid          cText
	encryptedKey cText
}

type cSealedContent struct {
	structSize uint32
	reserved   uint32
	iv         cText
	aad        cText
	ciphertext cText
	tag        cText
}

type cSealing struct {
	structSize uint32
	reserved   uint32
	plaintext  cText
	aad        cText
	iv         cText
	ciphertext cText
	tag        cText
}
