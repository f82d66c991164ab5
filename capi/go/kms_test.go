// SPDX-License-Identifier: Apache-2.0

package jwekms_test

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"jwekms"
)

var background = context.Background()

// open opens a database of the test's own.
func open(t testing.TB, options jwekms.Options) *jwekms.Kms {
	t.Helper()
	if options.Database == "" {
		options.Database, options.KEK = filepath.Join(t.TempDir(), "keys.db"), make([]byte, 32)
	}
	kms, err := jwekms.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kms.Close() })
	return kms
}

func createKey(t testing.TB, kms *jwekms.Kms, options jwekms.CreateKeyOptions) jwekms.KeyInfo {
	t.Helper()
	key, err := kms.CreateKey(background, options)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func encrypt(t testing.TB, kms *jwekms.Kms, plaintext string, options jwekms.EncryptOptions) string {
	t.Helper()
	token, err := kms.Encrypt(background, []byte(plaintext), options)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// compile compiles one file of testdata.
func compile(t testing.TB, source string, flags ...string) (compiled string) {
	t.Helper()
	compiled = filepath.Join(t.TempDir(), source+".out")
	flags = append(flags, "-o", compiled, filepath.Join("testdata", source))
	if output, err := exec.Command("cc", flags...).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, output)
	}
	return compiled
}

// quiet keeps what a test makes the package log from looking like a fault.
func quiet(t testing.TB) {
	log.SetOutput(io.Discard)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
}

// want fails unless the error is this one; nil is an error too.
func want(t testing.TB, err, wanted error) {
	t.Helper()
	if !errors.Is(err, wanted) {
		t.Errorf("%v, wanted %v", err, wanted)
	}
}

func TestDecrypt(t *testing.T) {
	kms := open(t, jwekms.Options{})
	rsa := createKey(t, kms, jwekms.CreateKeyOptions{})
	for _, enc := range []string{"A128GCM", "A192GCM", "A256GCM"} {
		oct := createKey(t, kms, jwekms.CreateKeyOptions{Type: jwekms.KeyTypeOct, Enc: enc})
		for alg, key := range map[string]string{"RSA-OAEP": rsa.UID, "RSA-OAEP-256": rsa.UID, "dir": oct.UID} {
			for _, size := range []int{0, 1, 1000, 100000} {
				plaintext := strings.Repeat("p", size)
				token := encrypt(t, kms, plaintext, jwekms.EncryptOptions{Key: key, Alg: alg, Enc: enc})
				got, err := kms.Decrypt(background, token, nil)
				if err != nil || string(got) != plaintext {
					t.Errorf("%s %s %d: %d bytes, %v", alg, enc, size, len(got), err)
				}
				broken := token[:len(token)-10] + flip(token[len(token)-10:])
				got, err = kms.Decrypt(background, broken, nil)
				if got != nil {
					t.Errorf("%s %s %d: %d bytes of a broken token", alg, enc, size, len(got))
				}
				want(t, err, jwekms.ErrDecryptionFailed)
			}
		}
	}
}

func flip(text string) string {
	if text[0] == 'A' {
		return "B" + text[1:]
	}
	return "A" + text[1:]
}

func TestFlattenedWithAAD(t *testing.T) {
	kms := open(t, jwekms.Options{})
	key := createKey(t, kms, jwekms.CreateKeyOptions{})
	token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: key.UID,
		Serialization: jwekms.Flattened, AAD: []byte(strings.Repeat("aad", 3000))})
	got, err := kms.Decrypt(background, token, nil)
	if err != nil || string(got) != "text" || !strings.HasPrefix(token, "{") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestDecryptIntoMemoryOfTheCallers(t *testing.T) {
	kms := open(t, jwekms.Options{})
	key := createKey(t, kms, jwekms.CreateKeyOptions{})
	token := encrypt(t, kms, "0123456789", jwekms.EncryptOptions{Key: key.UID})
	size, err := kms.DecryptInto(background, nil, token, nil)
	want(t, err, jwekms.ErrBufferTooSmall)
	if size < 10 {
		t.Fatalf("%d bytes are said to be enough", size)
	}
	buffer := make([]byte, size)
	if n, err := kms.DecryptInto(background, buffer, token, nil); err != nil || string(buffer[:n]) != "0123456789" {
		t.Errorf("%d bytes, %v", n, err)
	}
	copy(buffer, "not zero")
	_, err = kms.DecryptInto(background, buffer, token[:len(token)-10]+flip(token[len(token)-10:]), nil)
	want(t, err, jwekms.ErrDecryptionFailed)
	if string(buffer) != string(make([]byte, size)) {
		t.Errorf("after a failure: %q", buffer)
	}
	_, err = kms.DecryptInto(background, buffer[:5], token, nil)
	want(t, err, jwekms.ErrBufferTooSmall)
}

// zipToken is a token whose plaintext is larger than itself, under a key of zeros that is imported as "k".
func zipToken(t testing.TB, kms *jwekms.Kms) (token, plaintext string) {
	t.Helper()
	key := make([]byte, 32)
	_, err := kms.ImportKey(background, key, jwekms.ImportKeyOptions{Format: jwekms.FormatRaw, UID: "k"})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 1000; i++ {
		plaintext += fmt.Sprintln("line", i)
	}
	var deflated bytes.Buffer
	writer, _ := flate.NewWriter(&deflated, flate.BestCompression)
	writer.Write([]byte(plaintext))
	writer.Close()
	base64url := base64.RawURLEncoding.EncodeToString
	header := base64url([]byte(`{"alg":"dir","enc":"A256GCM","kid":"k","zip":"DEF"}`))
	block, _ := aes.NewCipher(key)
	gcm, _ := cipher.NewGCM(block)
	iv := make([]byte, 12)
	sealed := gcm.Seal(nil, iv, deflated.Bytes(), []byte(header))
	end := len(sealed) - 16
	return header + ".." + base64url(iv) + "." + base64url(sealed[:end]) + "." + base64url(sealed[end:]), plaintext
}

func TestPlaintextLargerThanTheToken(t *testing.T) {
	kms := open(t, jwekms.Options{Policy: jwekms.Policy{AllowZip: true}})
	token, plaintext := zipToken(t, kms)
	got, err := kms.Decrypt(background, token, nil)
	if err != nil || string(got) != plaintext || len(got) < len(token) {
		t.Errorf("%d bytes of %d, %v", len(got), len(plaintext), err)
	}
}

func TestReencrypt(t *testing.T) {
	kms := open(t, jwekms.Options{})
	from := createKey(t, kms, jwekms.CreateKeyOptions{})
	to := createKey(t, kms, jwekms.CreateKeyOptions{UID: "to"})
	token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: from.UID})
	again, err := kms.Reencrypt(background, token, nil, jwekms.EncryptOptions{Key: to.UID, Alg: "RSA-OAEP"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kms.SetKeyState(background, from.UID, jwekms.KeyDestroyed); err != nil {
		t.Fatal(err)
	}
	if got, err := kms.Decrypt(background, again, nil); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestErrors(t *testing.T) {
	kms := open(t, jwekms.Options{})
	_, err := kms.Decrypt(background, "a.b", nil)
	var failure *jwekms.Error
	if !errors.As(err, &failure) || failure.Code != jwekms.ErrBadRequest || failure.Text == "" {
		t.Fatalf("%#v", err)
	}
	if text := err.Error(); text != "jwekms: bad_request: "+failure.Text {
		t.Error(text)
	}
	want(t, err, jwekms.ErrBadRequest)
	if errors.Is(err, jwekms.ErrNotFound) {
		t.Error("bad_request is not_found")
	}
	_, err = kms.DescribeKey(background, "nobody")
	want(t, fmt.Errorf("wrapped: %w", err), jwekms.ErrNotFound)
	for err, code := range map[error]jwekms.Code{nil: 0, err: jwekms.ErrNotFound,
		errors.New("another"): jwekms.ErrInternal, jwekms.ErrConflict: jwekms.ErrConflict} {
		if got := jwekms.CodeOf(err); got != code {
			t.Errorf("%v: %v", err, got)
		}
	}
	_, err = jwekms.Open(jwekms.Options{Database: t.TempDir() + "/none/keys.db"})
	want(t, err, jwekms.ErrUnavailable)
	_, err = kms.Encrypt(background, nil, jwekms.EncryptOptions{})
	want(t, err, jwekms.ErrBadRequest)
}

func TestNumbersOutOfRange(t *testing.T) {
	for _, options := range []jwekms.Options{
		{CacheTTL: -1}, {CacheTTL: 1 << 62}, {CacheEntries: -1}, {CacheEntries: 1 << 40},
		{Policy: jwekms.Policy{MaxTokenBytes: -1}}, {HSMs: []jwekms.HSM{{SessionTimeout: -time.Second}}},
	} {
		_, err := jwekms.Open(options)
		want(t, err, jwekms.ErrBadRequest)
	}
}

// To C what is empty is not given, and would take its default.
func TestEmptyIsNotTheDefault(t *testing.T) {
	database := filepath.Join(t.TempDir(), "keys.db")
	for _, options := range []jwekms.Options{
		{KEK: jwekms.Secret{}}, {Policy: jwekms.Policy{Algs: []string{}}}, {Policy: jwekms.Policy{Algs: []string{""}}},
		{Policy: jwekms.Policy{Encs: []string{"", ""}}}, {Admins: []string{""}}, {HSMPools: [][]string{{}}},
		{HSMs: []jwekms.HSM{{Model: "softhsm2", Slots: []jwekms.HSMSlot{{PIN: jwekms.Secret{}}}}}},
	} {
		options.Database = database
		_, err := jwekms.Open(options)
		want(t, err, jwekms.ErrBadRequest)
	}
	if made, err := filepath.Glob(database + "*"); len(made) != 0 || err != nil {
		t.Error(made, err)
	}
	kms := open(t, jwekms.Options{})
	_, err := kms.CreateKey(background, jwekms.CreateKeyOptions{Algs: []string{""}})
	want(t, err, jwekms.ErrBadRequest)
	_, err = kms.ImportKey(background, make([]byte, 32), jwekms.ImportKeyOptions{Format: jwekms.FormatRaw, Algs: []string{}})
	want(t, err, jwekms.ErrBadRequest)
	_, err = kms.ImportKey(background, make([]byte, 32), jwekms.ImportKeyOptions{Format: jwekms.FormatRaw,
		Passphrase: jwekms.Secret{}})
	want(t, err, jwekms.ErrBadRequest)
}

func TestSecretsAreNotPrinted(t *testing.T) {
	options := jwekms.Options{KEK: []byte("key"), HSMs: []jwekms.HSM{{Slots: []jwekms.HSMSlot{{PIN: []byte("pin")}}}}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if text := fmt.Sprintf(verb, options); strings.Contains(text, "key") || strings.Contains(text, "pin") ||
			strings.Contains(text, "107, 101, 121") || strings.Contains(text, "6b6579") {
			t.Errorf("%s: %s", verb, text)
		}
	}
	if text, err := options.KEK.MarshalText(); err != nil || string(text) != "[secret]" {
		t.Errorf("%s, %v", text, err)
	}
}

func TestContext(t *testing.T) {
	kms := open(t, jwekms.Options{})
	key := createKey(t, kms, jwekms.CreateKeyOptions{})
	token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: key.UID})
	cancelled, cancel := context.WithCancel(background)
	cancel()
	if got, err := kms.Decrypt(cancelled, token, nil); got != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%q, %v", got, err)
	}
	late, cancel := context.WithDeadline(background, time.Now().Add(-time.Second))
	defer cancel()
	_, err := kms.CreateKey(late, jwekms.CreateKeyOptions{UID: "late"})
	want(t, err, context.DeadlineExceeded)
	_, err = kms.DescribeKey(background, "late")
	want(t, err, jwekms.ErrNotFound)
}

// everyMethod fails unless each method of a Kms gives this error.
func everyMethod(t *testing.T, kms *jwekms.Kms, wanted error, except string) {
	methods := reflect.TypeOf(kms)
	for i := 0; i < methods.NumMethod(); i++ {
		method := methods.Method(i)
		if method.Name == except {
			continue
		}
		in := []reflect.Value{reflect.ValueOf(kms)}
		for j := 1; j < method.Type.NumIn(); j++ {
			in = append(in, reflect.Zero(method.Type.In(j)))
			if j == 1 && method.Type.In(j) == reflect.TypeOf(&background).Elem() {
				in[j] = reflect.ValueOf(background)
			}
		}
		out := method.Func.Call(in)
		err, _ := out[len(out)-1].Interface().(error)
		if !errors.Is(err, wanted) {
			t.Errorf("%s: %v", method.Name, err)
		}
	}
}

func TestKmsThatNobodyOpened(t *testing.T) {
	everyMethod(t, nil, jwekms.ErrBadRequest, "")
	everyMethod(t, &jwekms.Kms{}, jwekms.ErrBadRequest, "")
}

// Every method that calls the library says that it is closed, and does not call.
func TestUseAfterClose(t *testing.T) {
	kms := open(t, jwekms.Options{})
	acting, err := kms.OnBehalfOf("alice")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 2; i++ {
		if err := kms.Close(); err != nil {
			t.Fatal(err)
		}
	}
	everyMethod(t, kms, jwekms.ErrClosed, "Close")
	// The two are closed each.
	if _, err := acting.CreateKey(background, jwekms.CreateKeyOptions{}); err != nil {
		t.Error(err)
	}
	acting.Close()
}

func TestForgottenKmsIsClosed(t *testing.T) {
	before := jwekms.Registered()
	func() {
		kms, err := jwekms.Open(jwekms.Options{OnAudit: func(jwekms.AuditEvent) {}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kms.OnBehalfOf("alice"); err != nil {
			t.Fatal(err)
		}
	}()
	if jwekms.Registered() != before+1 {
		t.Fatalf("%d before, %d now", before, jwekms.Registered())
	}
	for i := 0; i < 500 && jwekms.Registered() != before; i++ {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	if jwekms.Registered() != before {
		t.Error("not closed")
	}
}

// A thousand goroutines decrypt; each answer is right, or says that it is closed, once it is.
func TestCloseAmongAThousandGoroutines(t *testing.T) {
	kms := open(t, jwekms.Options{})
	key := createKey(t, kms, jwekms.CreateKeyOptions{Type: jwekms.KeyTypeOct})
	var started, done sync.WaitGroup
	fault := make(chan string, 1000)
	for i := 0; i < 1000; i++ {
		plaintext := fmt.Sprint("plaintext ", i)
		token := encrypt(t, kms, plaintext, jwekms.EncryptOptions{Key: key.UID, Alg: "dir"})
		started.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			for first := true; ; first = false {
				got, err := kms.Decrypt(background, token, nil)
				if first {
					started.Done()
				}
				if errors.Is(err, jwekms.ErrClosed) && !first {
					return
				}
				if err != nil || string(got) != plaintext {
					fault <- fmt.Sprintf("%q, %v", got, err)
					return
				}
				runtime.Gosched() // or each spins for its whole slice before the next has begun
			}
		}()
	}
	started.Wait()
	kms.Close()
	done.Wait()
	close(fault)
	for text := range fault {
		t.Error(text)
	}
}

func TestWarningsAndAudit(t *testing.T) {
	var mu sync.Mutex
	var warnings []string
	var events []jwekms.AuditEvent
	database := filepath.Join(t.TempDir(), "keys.db")
	kms := open(t, jwekms.Options{
		Database:  database, // and a key file, made with a warning
		OnWarning: func(text string) { mu.Lock(); defer mu.Unlock(); warnings = append(warnings, text) },
		OnAudit: func(event jwekms.AuditEvent) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, event)
		},
	})
	createKey(t, kms, jwekms.CreateKeyOptions{UID: "k"})
	acting, err := kms.OnBehalfOf("alice")
	if err != nil {
		t.Fatal(err)
	}
	defer acting.Close()
	kms.Close() // the hooks live on
	_, err = acting.Decrypt(background, "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiayJ9..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA", nil)
	want(t, err, jwekms.ErrForbidden)
	mu.Lock()
	defer mu.Unlock()
	if len(warnings) != 1 || warnings[0] == "" {
		t.Errorf("%q", warnings)
	}
	if len(events) != 2 {
		t.Fatalf("%+v", events)
	}
	made, refused := events[0], events[1]
	if made.Operation != "create_key" || made.UID != "k" || made.Err != nil || made.Duration <= 0 {
		t.Errorf("%+v", made)
	}
	if refused.Principal != "alice" || refused.Operation != "decrypt" || refused.Kid != "k" ||
		!errors.Is(refused.Err, jwekms.ErrForbidden) {
		t.Errorf("%+v", refused)
	}
}

// Each call is one event, whatever room its output takes.
func TestOneEventForEachCall(t *testing.T) {
	var events []string
	kms := open(t, jwekms.Options{
		Policy:  jwekms.Policy{AllowZip: true},
		OnAudit: func(event jwekms.AuditEvent) { events = append(events, fmt.Sprint(event.Operation, " ", event.Err)) },
	})
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 60; i++ {
		_, err := kms.ImportKey(background, x509.MarshalPKCS1PrivateKey(private),
			jwekms.ImportKeyOptions{Format: jwekms.FormatDER, UID: fmt.Sprint("rsa", i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	zipped, _ := zipToken(t, kms)

	to := jwekms.EncryptOptions{Key: "rsa0"}
	token := encrypt(t, kms, "text", to)
	for operation, call := range map[string]func() error{
		"encrypt <nil>":   func() error { _, err := kms.Encrypt(background, []byte("text"), to); return err },
		"reencrypt <nil>": func() error { _, err := kms.Reencrypt(background, token, nil, to); return err },
		"reencrypt jwekms: bad_request": func() error {
			_, err := kms.Reencrypt(background, "a.b", nil, to)
			return err
		},
		"decrypt <nil>":               func() error { _, err := kms.Decrypt(background, zipped, nil); return err },
		"decrypt jwekms: bad_request": func() error { _, err := kms.Decrypt(background, "", nil); return err },
		"public_jwk <nil>":            func() error { _, err := kms.PublicJWK(background, "rsa0"); return err },
		"public_jwks <nil>":           func() error { _, err := kms.PublicJWKS(background); return err },
	} {
		events = nil
		if err := call(); (err == nil) != strings.HasSuffix(operation, "<nil>") {
			t.Errorf("%s: %v", operation, err)
		}
		if !reflect.DeepEqual(events, []string{operation}) {
			t.Errorf("%s: %q", operation, events)
		}
	}

	all, err := kms.PublicJWKS(background)
	if err != nil {
		t.Fatal(err)
	}
	grown, err := jwekms.PublicJWKSIn(kms, 1)
	if err != nil || !bytes.Equal(all, grown) || len(all) < 60*342 {
		t.Errorf("%d and %d bytes, %v", len(all), len(grown), err)
	}
}

// A panic stays on Go's side of the library, whose locks it would leave locked.
func TestPanicInAHook(t *testing.T) {
	quiet(t)
	kms := open(t, jwekms.Options{OnAudit: func(jwekms.AuditEvent) { panic("fault") }})
	createKey(t, kms, jwekms.CreateKeyOptions{UID: "k"})
	if _, err := kms.DescribeKey(background, "k"); err != nil {
		t.Error(err)
	}
}

// The library is loaded once in a process, so each of these is a process.
func TestLoad(t *testing.T) {
	if what := os.Getenv("JWEKMS_TEST_LOAD"); what != "" {
		loads[what](t)
		return
	}
	for what := range loads {
		t.Run(what, func(t *testing.T) {
			command := exec.Command(os.Args[0], "-test.run=^TestLoad$")
			command.Env = append(os.Environ(), "JWEKMS_TEST_LOAD="+what)
			command.Dir, _ = os.Getwd()
			if output, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}

var loads = map[string]func(*testing.T){
	"no such file": func(t *testing.T) {
		if err := jwekms.Load("/nowhere/libjwekms.so"); err == nil || !strings.Contains(err.Error(), "/nowhere") {
			t.Error(err)
		}
		open(t, jwekms.Options{}) // the usual one is still to be had
	},
	"another library": func(t *testing.T) {
		if err := jwekms.Load("libc.so.6"); err == nil || !strings.Contains(err.Error(), "jwekms_abi_version") {
			t.Error(err)
		}
	},
	"another ABI": func(t *testing.T) {
		fake := compile(t, "other_abi.c", "-shared", "-fPIC")
		if err := jwekms.Load(fake); err == nil || !strings.Contains(err.Error(), "another ABI") {
			t.Error(err)
		}
	},
	"an older library": func(t *testing.T) {
		fake := compile(t, "other_abi.c", "-shared", "-fPIC", "-DABI_VERSION=1")
		if err := jwekms.Load(fake); err == nil || !strings.Contains(err.Error(), "is older than this package") {
			t.Error(err)
		}
	},
	"a second file": func(t *testing.T) {
		if err := jwekms.Load("libjwekms.so.0"); err != nil {
			t.Fatal(err)
		}
		if err := jwekms.Load("libjwekms.so.0"); err != nil {
			t.Error(err)
		}
		if err := jwekms.Load("libjwekms.so"); err == nil || jwekms.Version() == "" {
			t.Error(err)
		}
	},
}
