// Command gojose makes and opens JWE tokens with go-jose.
//
//	gojose make   reads a plan (see plan.py) from stdin, prints it with the tokens in it
//	gojose open   reads {"jwe", "jwk"} from stdin, prints the plaintext
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
)

type recipient struct {
	Kid    string            `json:"kid"`
	Header map[string]string `json:"header"`
}

type request struct {
	Protected   map[string]any `json:"protected"`
	Unprotected map[string]any `json:"unprotected"`
	Aad         *string        `json:"aad"`
	Recipients  []recipient    `json:"recipients"`
}

var algs = []jose.KeyAlgorithm{jose.RSA_OAEP, jose.RSA_OAEP_256, jose.DIRECT, jose.A128KW,
	jose.A192KW, jose.A256KW, jose.ECDH_ES, jose.ECDH_ES_A128KW, jose.ECDH_ES_A256KW,
	jose.A256GCMKW, jose.PBES2_HS512_A256KW}
var encs = []jose.ContentEncryption{jose.A128GCM, jose.A192GCM, jose.A256GCM, jose.A128CBC_HS256}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(mode string) error {
	in := json.NewDecoder(os.Stdin)
	if mode == "open" {
		var job struct {
			Jwe string
			Jwk jose.JSONWebKey
		}
		if err := in.Decode(&job); err != nil {
			return err
		}
		plaintext, err := open(job.Jwe, job.Jwk)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(plaintext)
		return err
	}

	plan := map[string]any{}
	if err := in.Decode(&plan); err != nil {
		return err
	}
	keys := map[string]jose.JSONWebKey{}
	for _, list := range []string{"keys", "others"} {
		for _, k := range plan[list].([]any) {
			var key jose.JSONWebKey
			if err := convert(k, &key); err != nil {
				return err
			}
			keys[key.KeyID] = key
		}
	}
	for _, c := range plan["cases"].([]any) {
		one := c.(map[string]any)
		token, err := encrypt(one, keys)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: not with go-jose: %v\n", one["id"], err)
			continue
		}
		one["jwe"] = token
	}
	plan["producer"] = "go-jose " + version() + ", " + runtime.Version()
	return json.NewEncoder(os.Stdout).Encode(plan)
}

func convert(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if strings.HasPrefix(m.Path, "github.com/go-jose/") {
			return m.Version
		}
	}
	return "?"
}

func open(token string, key jose.JSONWebKey) ([]byte, error) {
	object, err := jose.ParseEncrypted(token, algs, encs)
	if err != nil {
		return nil, err
	}
	if strings.Contains(token, `"recipients"`) {
		_, _, plaintext, err := object.DecryptMulti(key)
		return plaintext, err
	}
	return object.Decrypt(key)
}

func encrypt(one map[string]any, keys map[string]jose.JSONWebKey) (string, error) {
	var req request
	if err := convert(one["request"], &req); err != nil {
		return "", err
	}
	if req.Unprotected != nil {
		return "", fmt.Errorf("no unprotected header")
	}
	serialization := one["serialization"].(string)
	if serialization == "general" && len(req.Recipients) == 1 {
		return "", fmt.Errorf("no general serialization for one recipient")
	}
	plaintext, err := base64.RawURLEncoding.DecodeString(one["plaintext_b64u"].(string))
	if err != nil {
		return "", err
	}
	var aad []byte
	if req.Aad != nil {
		if aad, err = base64.RawURLEncoding.DecodeString(*req.Aad); err != nil {
			return "", err
		}
	}

	// go-jose writes alg, enc and kid itself; the rest are extra headers.
	options := &jose.EncrypterOptions{}
	for name, value := range req.Protected {
		switch name {
		case "alg", "enc", "kid":
		case "zip":
			options.Compression = jose.DEFLATE
		default:
			options.WithHeader(jose.HeaderKey(name), value)
		}
	}
	var recipients []jose.Recipient
	for _, r := range req.Recipients {
		alg, kid := r.Header["alg"], r.Header["kid"]
		if r.Header == nil {
			alg, _ = req.Protected["alg"].(string)
			kid, _ = req.Protected["kid"].(string)
		}
		key := keys[r.Kid]
		if public := key.Public(); public.Key != nil { // a symmetric key has no public half
			key = public
		}
		recipients = append(recipients, jose.Recipient{Algorithm: jose.KeyAlgorithm(alg), Key: key.Key, KeyID: kid})
	}
	enc := jose.ContentEncryption(req.Protected["enc"].(string))

	var encrypter jose.Encrypter
	if len(recipients) == 1 {
		encrypter, err = jose.NewEncrypter(enc, recipients[0], options)
	} else {
		encrypter, err = jose.NewMultiEncrypter(enc, recipients, options)
	}
	if err != nil {
		return "", err
	}
	object, err := encrypter.EncryptWithAuthData(plaintext, aad)
	if err != nil {
		return "", err
	}
	if serialization == "compact" {
		return object.CompactSerialize()
	}
	return object.FullSerialize(), nil
}
