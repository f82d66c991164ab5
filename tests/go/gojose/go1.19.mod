module jwekms/gojose

go 1.19

require (
	github.com/go-jose/go-jose/v4 v4.0.0
	jwekms v0.0.0
)

require (
	github.com/ebitengine/purego v0.10.2 // indirect
	golang.org/x/crypto v0.19.0 // indirect
)

replace jwekms => ../../../capi/go
