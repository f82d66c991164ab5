// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"context"
	"unsafe"
)

// Verdict says what kind of finding it is. New values may come.
type Verdict int32

const (
	FindingFact    Verdict = 1 // How is what the token says of itself.
	FindingCan     Verdict = 2 // How is by what call or mechanism.
	FindingCannot  Verdict = 3 // How is the CKR_... code, Means what follows.
	FindingWarning Verdict = 4 // How is what was seen, Means what to do about it.
)

func (v Verdict) String() string { return oneOf(int32(v), "", "fact", "can", "cannot", "warning") }

// Finding is one thing about a token.
type Finding struct {
	Slot    uint64 // HSMSlot.Number.
	What    string // Such as "RSA-OAEP-256: decrypt, CEK in the HSM". The texts stay the same.
	Verdict Verdict
	How     string
	Means   string // "" where nothing follows.
	Needed  bool   // The HSM's CEKBoundary cannot do without it, under the default policy.
}

// Doctor tries out what each slot of an HSM can do, with keys that are made for it and destroyed
// again, and tells what that means for this library. It takes seconds, or minutes on a small card. A
// slot that is out of reach is an error, and never a finding that it cannot do something.
//
// Errors: ErrBadRequest (options), ErrUnavailable (module or token out of reach, or a PIN refused,
// which is not tried again), ErrInternal.
func Doctor(ctx context.Context, hsm HSM) ([]Finding, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := loadDefault(); err != nil {
		return nil, err
	}
	var v values
	c := hsm.toC(&v)
	if v.err != nil {
		return nil, v.err
	}
	callbacksOnce.Do(makeCallbacks)
	findings := new([]Finding)
	number := registered.add(findings)
	defer registered.remove(number)
	failure := new(cError)
	err := try(fnDoctor, failure, uintptr(unsafe.Pointer(c)), callbacks.finding, number,
		uintptr(unsafe.Pointer(failure)))
	return *findings, err
}

func onFinding(data, finding uintptr) {
	defer shield("Doctor")
	c := (*cFinding)(pointer(finding))
	findings := registered.get(data).(*[]Finding)
	*findings = append(*findings, Finding{
		Slot:    c.slot,
		What:    c.what.String(),
		Verdict: Verdict(c.verdict),
		How:     c.how.String(),
		Means:   c.means.String(),
		Needed:  c.needed != 0,
	})
}
