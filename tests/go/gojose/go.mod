module jwekms/gojose

go 1.24.0

require (
	github.com/go-jose/go-jose/v4 v4.1.9
	jwekms v0.0.0
)

require github.com/ebitengine/purego v0.10.2 // indirect

replace jwekms => ../../../capi/go
