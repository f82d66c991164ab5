// SPDX-License-Identifier: Apache-2.0

package jwekms_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"jwekms"
)

// inTemporaryFolder is where the examples have their databases.
func inTemporaryFolder() (leave func()) {
	before, err := os.Getwd()
	if err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "jwekms-")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.Chdir(folder); err != nil {
		log.Fatal(err)
	}
	return func() { os.Chdir(before); os.RemoveAll(folder) }
}

func Example() {
	defer inTemporaryFolder()()

	ctx := context.Background()
	kms, err := jwekms.Open(jwekms.Options{Database: "keys.db"}) // and keys.db.kek, on first use
	if err != nil {
		log.Fatal(err)
	}
	defer kms.Close()
	key, err := kms.CreateKey(ctx, jwekms.CreateKeyOptions{})
	if err != nil {
		log.Fatal(err)
	}

	// What a sender would send; its kid says which key.
	token, err := kms.Encrypt(ctx, []byte("hello"), jwekms.EncryptOptions{Key: key.UID})
	if err != nil {
		log.Fatal(err)
	}
	payload, err := kms.Decrypt(ctx, token, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(payload))
	// Output: hello
}

func ExampleKms_UnwrapKey() {
	defer inTemporaryFolder()()
	kms, first, later := senderWhoRepeatsItsCEK()
	defer kms.Close()
	ctx := context.Background()

	// The first token brings the CEK; nobody sees it, and it stays as a key with a name.
	cek, err := kms.UnwrapKey(ctx, first, jwekms.UnwrapKeyOptions{UID: "partner-2026"})
	if err != nil {
		log.Fatal(err)
	}
	// Later tokens have "alg":"dir" and that name as their kid.
	payload, err := kms.Decrypt(ctx, later(cek.UID), nil)
	fmt.Println(string(payload), err)
	// Output: later <nil>
}

// senderWhoRepeatsItsCEK plays the other side.
func senderWhoRepeatsItsCEK() (kms *jwekms.Kms, first string, later func(kid string) string) {
	kms, err := jwekms.Open(jwekms.Options{Database: "keys.db", KEK: make([]byte, 32)})
	if err != nil {
		log.Fatal(err)
	}
	if _, err = kms.CreateKey(context.Background(), jwekms.CreateKeyOptions{UID: "rsa"}); err != nil {
		log.Fatal(err)
	}
	send := func(text, kid, alg string) string {
		token, err := kms.Encrypt(context.Background(), []byte(text), jwekms.EncryptOptions{Key: kid, Alg: alg})
		if err != nil {
			log.Fatal(err)
		}
		return token
	}
	return kms, send("first", "rsa", "RSA-OAEP-256"), func(kid string) string { return send("later", kid, "dir") }
}

func ExampleError() {
	defer inTemporaryFolder()()
	kms, err := jwekms.Open(jwekms.Options{Database: "keys.db", KEK: make([]byte, 32)})
	if err != nil {
		log.Fatal(err)
	}
	defer kms.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()

	_, err = kms.DescribeKey(ctx, "nobody")
	switch {
	case errors.Is(err, jwekms.ErrNotFound):
		fmt.Println(jwekms.CodeOf(err).String(), jwekms.CodeOf(err).HTTPStatus())
	case errors.Is(err, jwekms.ErrUnavailable):
		fmt.Println("try again")
	}
	// Output: not_found 404
}

func ExampleKms_OnBehalfOf() {
	defer inTemporaryFolder()()
	kms, err := jwekms.Open(jwekms.Options{Database: "keys.db", KEK: make([]byte, 32)})
	if err != nil {
		log.Fatal(err)
	}
	defer kms.Close()
	ctx := context.Background()

	alice, err := kms.OnBehalfOf("alice") // whom the program has authenticated
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()
	key, err := alice.CreateKey(ctx, jwekms.CreateKeyOptions{}) // is alice's
	if err != nil {
		log.Fatal(err)
	}
	if err := alice.Grant(ctx, key.UID, "bob", jwekms.MayDecrypt); err != nil {
		log.Fatal(err)
	}

	bob, err := kms.OnBehalfOf("bob")
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()
	_, err = bob.SetKeyState(ctx, key.UID, jwekms.KeyDeactivated)
	fmt.Println(errors.Is(err, jwekms.ErrForbidden))
	// Output: true
}

func ExampleKms_ServiceCall() {
	defer inTemporaryFolder()()
	kms, err := jwekms.Open(jwekms.Options{Database: "keys.db", KEK: make([]byte, 32)})
	if err != nil {
		log.Fatal(err)
	}
	defer kms.Close()

	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "", http.StatusRequestEntityTooLarge)
			return
		}
		answer, err := kms.ServiceCall(r.Context(), r.Method, r.URL.RequestURI(), body)
		if err != nil {
			http.Error(w, "", jwekms.CodeOf(err).HTTPStatus())
			return
		}
		w.Header().Set("Content-Type", answer.ContentType)
		if answer.Allow != "" {
			w.Header().Set("Allow", answer.Allow)
		}
		w.WriteHeader(answer.Status)
		w.Write(answer.Body)
	})

	server := httptest.NewServer(handler)
	defer server.Close()
	response, err := http.Post(server.URL+"/v1/crypto/keys", "application/json", strings.NewReader(`{"kty":"RSA"}`))
	if err != nil {
		log.Fatal(err)
	}
	response.Body.Close()
	fmt.Println(response.StatusCode)
	// Output: 201
}
