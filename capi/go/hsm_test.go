// SPDX-License-Identifier: Apache-2.0

//go:build hsm

// Needs a token: tests/go/run.sh makes one with SoftHSM.

package jwekms_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"jwekms"
)

func softHSM(boundary jwekms.CEKBoundary) jwekms.HSM {
	return jwekms.HSM{
		Model:      "softhsm2",
		ModulePath: os.Getenv("JWEKMS_TEST_SOFTHSM2_MODULE"),
		Slots: []jwekms.HSMSlot{{
			TokenLabel: os.Getenv("JWEKMS_TEST_SOFTHSM2_LABEL"),
			PIN:        []byte(os.Getenv("JWEKMS_TEST_SOFTHSM2_PIN")),
		}},
		CEKBoundary: boundary,
		Admins:      []string{"root"},
	}
}

func TestHSM(t *testing.T) {
	for name, boundary := range map[string]jwekms.CEKBoundary{"process": jwekms.CEKInProcess, "hsm": jwekms.CEKInHSM} {
		t.Run(name, func(t *testing.T) {
			kms := open(t, jwekms.Options{HSMs: []jwekms.HSM{softHSM(boundary)}, OnWarning: func(string) {}})
			uid := "hsm::softhsm2::0::" + name
			if key := createKey(t, kms, jwekms.CreateKeyOptions{UID: uid}); key.UID != uid {
				t.Errorf("%+v", key)
			}
			token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: uid, Alg: "RSA-OAEP"})
			var group sync.WaitGroup
			for i := 0; i < 100; i++ {
				group.Add(1)
				go func() {
					defer group.Done()
					if got, err := kms.Decrypt(background, token, nil); err != nil || string(got) != "text" {
						t.Errorf("%q, %v", got, err)
					}
				}()
			}
			group.Wait()
			_, err := kms.Decrypt(background, token[:len(token)-10]+flip(token[len(token)-10:]), nil)
			want(t, err, jwekms.ErrDecryptionFailed)

			kept, err := kms.UnwrapKey(background, token, jwekms.UnwrapKeyOptions{StoreInHSM: true})
			if err != nil || !strings.HasPrefix(kept.UID, "hsm::softhsm2::0::") {
				t.Fatalf("%+v, %v", kept, err)
			}
			later := encrypt(t, kms, "later", jwekms.EncryptOptions{Key: kept.UID, Alg: "dir"})
			if got, err := kms.Decrypt(background, later, nil); err != nil || string(got) != "later" {
				t.Errorf("%q, %v", got, err)
			}
			page, err := kms.ListKeys(background, jwekms.ListKeysOptions{Prefix: "hsm::softhsm2::"})
			if err != nil || len(page.Keys) < 2 {
				t.Errorf("%+v, %v", page, err)
			}
		})
	}
}

func TestHSMAdmins(t *testing.T) {
	kms := open(t, jwekms.Options{HSMs: []jwekms.HSM{softHSM(0)}})
	for principal, wanted := range map[string]jwekms.Code{"alice": jwekms.ErrForbidden, "root": 0} {
		acting, err := kms.OnBehalfOf(principal)
		if err != nil {
			t.Fatal(err)
		}
		_, err = acting.CreateKey(background, jwekms.CreateKeyOptions{UID: "hsm::softhsm2::0::by-" + principal})
		if jwekms.CodeOf(err) != wanted {
			t.Errorf("%s: %v", principal, err)
		}
		acting.Close()
	}
}

func TestHSMOutOfReach(t *testing.T) {
	hsm := softHSM(0)
	hsm.ModulePath = "/nowhere/libpkcs11.so"
	_, err := jwekms.Open(jwekms.Options{HSMs: []jwekms.HSM{hsm}})
	want(t, err, jwekms.ErrUnavailable)
	_, err = jwekms.Doctor(background, hsm)
	want(t, err, jwekms.ErrUnavailable)
	_, err = jwekms.Doctor(background, jwekms.HSM{})
	want(t, err, jwekms.ErrBadRequest)
}

func TestDoctor(t *testing.T) {
	findings, err := jwekms.Doctor(background, softHSM(jwekms.CEKInProcess))
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]string{}
	for _, finding := range findings {
		verdicts[finding.What] = fmt.Sprint(finding.Verdict)
		if finding.Verdict == jwekms.FindingCannot && (finding.Needed || finding.How == "" || finding.Means == "") {
			t.Errorf("%+v", finding)
		}
	}
	if verdicts["RSA-OAEP: decrypt, CEK in the process"] != "can" ||
		verdicts["RSA-OAEP-256: decrypt, CEK in the HSM"] != "cannot" {
		t.Errorf("%+v", verdicts)
	}
}

func TestRewrapDatabase(t *testing.T) {
	options := jwekms.Options{Database: t.TempDir() + "/keys.db", HSMs: []jwekms.HSM{softHSM(0)},
		OnWarning: func(string) {}}
	kms := open(t, options)
	createKey(t, kms, jwekms.CreateKeyOptions{UID: "k"})
	kek := createKey(t, kms, jwekms.CreateKeyOptions{Type: jwekms.KeyTypeOct, UID: "hsm::softhsm2::0::rewrapping"})
	kms.Close()
	before := jwekms.Registered()
	if err := jwekms.RewrapDatabase(background, options, kek.UID); err != nil {
		t.Fatal(err)
	}
	if jwekms.Registered() != before {
		t.Error("something is not released")
	}
	options.KeyEncryptionKey = kek.UID
	if key, err := open(t, options).DescribeKey(background, "k"); err != nil || key.UID != "k" {
		t.Errorf("%+v, %v", key, err)
	}
}
