/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What libjwekms-fault.so exports beside C_GetFunctionList: how a test drives it.
 *
 * The module stands before the one that JWEKMS_FAULT_TARGET names and forwards every call. Give its
 * path to the provider as the module, dlopen() the same path in the test (the same handle comes
 * back), and find these with dlsym(); fault::Module in campaign.hpp does both. All of this may be
 * called at any time from any thread. Functions are named as in Cryptoki; NULL or "*" is any.
 *
 * An injected code fails the call without the target's seeing it, except that
 *  - what ends an operation (C_Decrypt, C_EncryptFinal, C_Sign, ...) ends it in the target, too;
 *    the output is thrown away. BUFFER_TOO_SMALL leaves it active, as it must;
 *  - C_CloseSession, C_CloseAllSessions, C_FindObjectsFinal and C_Finalize do their work, as nobody
 *    could do it again;
 *  - codes that say something about the world make it true, see jwekms_fault_effects.
 */

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned long jwekms_fault_rv; /* a CK_RV */

/* Forgets rules, counts and log. What is open stays counted. */
void jwekms_fault_reset(void);

/* From now on the nth call (1 = the next) and the count-1 after it fail with rv; count 0: all after
 * it. Returns 0, or -1 for a name that is none. */
int jwekms_fault_inject(const char* function, unsigned nth, jwekms_fault_rv rv, unsigned count);

/* The same for calls on one slot and on its sessions: a dead slot among live ones. */
int jwekms_fault_inject_slot(const char* function, unsigned long slot, unsigned nth,
                             jwekms_fault_rv rv, unsigned count);

/* These calls sleep before they go on. */
int jwekms_fault_delay(const char* function, unsigned nth, unsigned delay_ms, unsigned count);

/* A token that lies, until the rules are taken away: of every object of a class (of any: all bits
 * set) it gives this attribute as true (1) or false (0), or says that there is none (-1). */
void jwekms_fault_lie(unsigned long object_class, unsigned long attribute, int value);
/* Or it gives more objects than C_FindObjects has asked for: so many more. */
void jwekms_fault_find_more(unsigned long count);
/* Or it has no room for more sessions than so many: CKR_SESSION_COUNT. */
void jwekms_fault_most_sessions(unsigned long count);

/* Takes all rules away; counts and log stay. */
void jwekms_fault_clear_rules(void);

/* How often the rule made last has struck. */
unsigned long jwekms_fault_struck(void);

/* What an injected code does in the target (a sum; all of them at the start). Finalizing under load
 * crashes real tokens: leave LIBRARY out when other threads are inside. */
#define JWEKMS_FAULT_SESSION 1U /* SESSION_HANDLE_INVALID, SESSION_CLOSED: closes the session */
#define JWEKMS_FAULT_LOGIN 2U   /* USER_NOT_LOGGED_IN: logs the user out */
#define JWEKMS_FAULT_LIBRARY 4U /* CRYPTOKI_NOT_INITIALIZED: finalizes */
void jwekms_fault_effects(unsigned effects);

/* Calls since the reset, failed ones too. */
unsigned long jwekms_fault_calls(const char* function);
/* The names, for a loop; NULL after the last. */
const char* jwekms_fault_function_name(unsigned index);

/* How often a session was used by two threads at once: a call within a call, or a thread that goes
 * on with what another thread began on it. Since the reset. */
unsigned long jwekms_fault_overlaps(void);

/* Called before (1) and after (0) each call, in the thread that makes it; NULL: no more. It makes
 * no calls of its own. Set while no call is under way. */
typedef void (*jwekms_fault_watcher)(const char* function, int before, void* context);
void jwekms_fault_watch(jwekms_fault_watcher watcher, void* context);

/* Open now: sessions, session objects; and token objects made less those destroyed. */
long jwekms_fault_sessions(void);
long jwekms_fault_session_objects(void);
long jwekms_fault_token_objects(void);

/* The log, one line a call, oldest first, in memory (the last 65536) and, if JWEKMS_FAULT_LOG names
 * a file, appended to it. A PIN, a key or a text is never in it:
 *   C_DecryptInit session=1 mechanism=0x9 key=3 -> 0x0
 *   C_Decrypt session=1 mechanism=0x9 key=3 in=256 out=32 -> 0x0
 *   C_UnwrapKey session=1 mechanism=0x9 key=3 types=0x0,0x100 new=4 -> 0x0
 *   C_GetAttributeValue session=1 object=4 types=0x103,0x162 -> 0x30 injected
 * next takes the oldest line out: its length, or -1 when there is none. */
void jwekms_fault_log_clear(void);
int jwekms_fault_log_next(char* line, unsigned long size);

#ifdef __cplusplus
}
#endif
