// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"context"
	"log"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ebitengine/purego"
)

// AuditEvent is one call, after it was decided. Never token or key bytes; but names of keys are
// bytes that a stranger may have chosen: whoever writes them to a log escapes them.
type AuditEvent struct {
	Err       error // What came of it: nil, or a Code.
	Duration  time.Duration
	Principal string // Who called; "": the program itself.
	// The C function without "jwekms_": "create_key", "destroy_key", "grants"; the top README.md has all.
	Operation string
	Kid       string // The key, as the caller or the token names it.
	UID       string // The key that was found, or made.
	// What else it was about. unwrap_key: the UID of the CEK that was kept. reencrypt: the key
	// encrypted to, as the caller names it. grant, revoke: to or from whom. add_alias: the alias.
	Other       string
	Permissions Permission // Of grant.
}

// C calls Go through a fixed set of functions, made once: their number is limited, and they are
// never freed. What each is about is found by a number in C's `data`.
var (
	callbacksOnce sync.Once
	callbacks     struct {
		warning, audit, finding, progress    uintptr
		resolve, release, publicJWK, destroy uintptr
		unwrap, wrap, decrypt, encrypt       uintptr
	}
)

func makeCallbacks() {
	callbacks.warning = purego.NewCallback(onWarning)
	callbacks.audit = purego.NewCallback(onAudit)
	callbacks.finding = purego.NewCallback(onFinding)
	callbacks.progress = purego.NewCallback(onProgress)
	makeProviderCallbacks()
}

// registry is what C's numbers stand for.
type registry struct {
	mu     sync.RWMutex
	last   uintptr
	values map[uintptr]any
}

var registered = registry{values: map[uintptr]any{}}

// add gives a number, never 0 and never again.
func (r *registry) add(value any) uintptr {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	r.values[r.last] = value
	return r.last
}

func (r *registry) get(number uintptr) any {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.values[number]
}

func (r *registry) remove(number uintptr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.values, number)
}

// hooks are the functions of one Open, kept until the last Kms over it is closed.
type hooks struct {
	onWarning func(string)
	onAudit   func(AuditEvent)
	number    uintptr
	providers []uintptr
	closing   error // the first of the providers' Close
	users     atomic.Int32
}

// hook sets the callbacks of the options.
func (o *Options) hook(c *cOpenOptions) (*hooks, error) {
	callbacksOnce.Do(makeCallbacks)
	h := &hooks{onWarning: o.OnWarning, onAudit: o.OnAudit}
	h.number = registered.add(h)
	if o.OnWarning != nil {
		c.onWarning, c.onWarningData = callbacks.warning, h.number
	}
	if o.OnAudit != nil {
		c.onAudit, c.onAuditData = callbacks.audit, h.number
	}
	tables := make([]*cProvider, len(o.Providers))
	for i := range o.Providers {
		table, err := o.Providers[i].toC(h)
		if err != nil {
			h.abandon()
			return nil, err
		}
		tables[i] = table
		h.providers = append(h.providers, table.data)
	}
	if len(tables) > 0 {
		c.providers, c.providerCount = &tables[0], uintptr(len(tables))
	}
	return h, nil
}

func (h *hooks) hold() { h.users.Add(1) }

// letGo gives to the last of the users what went wrong with closing.
func (h *hooks) letGo() error {
	if h.users.Add(-1) > 0 {
		return nil
	}
	registered.remove(h.number)
	return h.closing
}

// abandon is for an Open that failed: C has not taken the providers.
func (h *hooks) abandon() {
	registered.remove(h.number)
	for _, provider := range h.providers {
		registered.remove(provider)
	}
}

// shield keeps a panic from unwinding into C. Only what the runtime says of it is logged: another
// value could be anything, a secret too.
func shield(where string) {
	if value := recover(); value != nil {
		if fault, ok := value.(runtime.Error); ok {
			log.Printf("jwekms: panic in %s: %v\n%s", where, fault, debug.Stack())
		} else {
			log.Printf("jwekms: panic in %s: %T\n%s", where, value, debug.Stack())
		}
	}
}

func onWarning(data, warning, length uintptr) {
	defer shield("OnWarning")
	registered.get(data).(*hooks).onWarning(textOf(warning, length))
}

func onAudit(data, event uintptr) {
	defer shield("OnAudit")
	c := (*cAuditEvent)(pointer(event))
	registered.get(data).(*hooks).onAudit(AuditEvent{
		Err:         statusError(c.status),
		Duration:    time.Duration(c.timeNs),
		Principal:   c.principal.String(),
		Operation:   c.operation.String(),
		Kid:         c.kid.String(),
		UID:         c.uid.String(),
		Other:       c.other.String(),
		Permissions: Permission(c.permissions),
	})
}

// The context of the call that a thread is in, for the providers that are called from within. Only
// calls on a Kms that has providers of Go's are here.
var threads sync.Map // thread id -> context.Context

// enterThread returns what was there before: a provider may call a Kms itself.
func enterThread(ctx context.Context) (outer any) {
	runtime.LockOSThread()
	outer, _ = threads.Load(threadID())
	threads.Store(threadID(), ctx)
	return outer
}

func leaveThread(outer any) {
	if outer != nil {
		threads.Store(threadID(), outer)
	} else {
		threads.Delete(threadID())
	}
	runtime.UnlockOSThread()
}

func callersContext() context.Context {
	if ctx, ok := threads.Load(threadID()); ok {
		return ctx.(context.Context)
	}
	return context.Background()
}
