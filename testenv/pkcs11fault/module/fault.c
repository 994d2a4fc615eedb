/* A PKCS#11 module with faults. It forwards every call to the module of
 * CLAVIGER_FAULT_MODULE, except for what the rules in the control file of
 * CLAVIGER_FAULT_CONTROL say; package pkcs11fault has their grammar and writes
 * them. The state file beside the control file is shared with the test: a
 * generation that moves when the rules change, what is left of each limited
 * rule, and a counter for each function. */

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "pkcs11go.h"

enum function {
#define CK_PKCS11_FUNCTION_INFO(name) I_##name,
#include "pkcs11f.h"
#undef CK_PKCS11_FUNCTION_INFO
	FUNCTIONS
};

static const char *const names[] = {
#define CK_PKCS11_FUNCTION_INFO(name) #name,
#include "pkcs11f.h"
#undef CK_PKCS11_FUNCTION_INFO
};

enum { MAX_RULES = 64 };

/* What the test maps too; pkcs11fault.go has the same offsets. */
struct state {
	_Atomic unsigned long long generation;
	_Atomic long long left[MAX_RULES]; /* by line of the control file */
	_Atomic unsigned long long count[FUNCTIONS];
};

enum action { FAIL, LOSE, HANG, CRASH, STALE, SLEEP, HIDE, NONCE, ZERO };
static const char *const actions[] = {"fail", "lose", "hang", "crash", "stale", "sleep", "hide", "nonce", "zero"};

struct rule {
	int function; /* -1: all */
	enum action action;
	unsigned long argument;
	int limited, line;
};

static CK_FUNCTION_LIST_PTR real;
static struct state *state;
static const char *control;

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER; /* guards what follows */
static unsigned long long generation = ~0ULL;
static struct rule rules[MAX_RULES];
static int rule_count;

static int index_of(const char *name, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(name, list[i]))
			return i;
	return -1;
}

static void parse(void)
{
	char line[256], function[64], action[16], argument[32], limit[32];
	FILE *f = fopen(control, "r");
	rule_count = 0;
	for (int n = 0; f && n < MAX_RULES && fgets(line, sizeof line, f); n++) {
		struct rule r = {.line = n};
		int fields = sscanf(line, "%63s %15s %31s %31s", function, action, argument, limit);
		if (fields < 2)
			continue;
		r.function = strcmp(function, "*") ? index_of(function, names, FUNCTIONS) : -1;
		r.action = index_of(action, actions, sizeof actions / sizeof *actions);
		r.argument = fields > 2 ? strtoul(argument, NULL, 0) : 0;
		r.limited = fields > 3;
		rules[rule_count++] = r;
	}
	if (f)
		fclose(f);
}

/* refresh reads the rules if they changed, and leaves the lock held to read. */
static void refresh(void)
{
	for (;;) {
		unsigned long long now = atomic_load(&state->generation);
		pthread_rwlock_rdlock(&lock);
		if (generation == now)
			return;
		pthread_rwlock_unlock(&lock);
		pthread_rwlock_wrlock(&lock);
		if (generation != now) {
			parse();
			generation = now;
		}
		pthread_rwlock_unlock(&lock);
	}
}

static int applies(const struct rule *r, int function)
{
	return (r->function == function || r->function == -1) &&
	       (!r->limited || atomic_fetch_sub(&state->left[r->line], 1) > 0);
}

/* fault decides what becomes of one call. It returns whether the call ends
 * with *rv, before the module is asked or (*lost) after that. */
static int fault(enum function function, CK_RV *rv, int *lost, CK_OBJECT_HANDLE *key)
{
	unsigned long pause = 0;
	int hang = 0, failed = 0;
	unsigned long long seen;
	atomic_fetch_add(&state->count[function], 1);
	refresh();
	seen = generation;
	for (int i = 0; i < rule_count; i++) {
		const struct rule *r = &rules[i];
		if (r->action == HIDE || r->action == NONCE || r->action == ZERO || (r->action == STALE && !key) ||
		    !applies(r, function))
			continue;
		switch (r->action) {
		case LOSE:
			*lost = 1; /* fall through */
		case FAIL:
			failed = 1;
			*rv = r->argument;
			break;
		case HANG:
			hang = 1;
			break;
		case CRASH:
			abort();
		case STALE:
			*key = r->argument ? r->argument : 0x7ffffff1;
			break;
		case SLEEP:
			pause = r->argument;
			break;
		default:
			break;
		}
		if (failed)
			break;
	}
	pthread_rwlock_unlock(&lock);
	while (hang && atomic_load(&state->generation) == seen)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	if (pause)
		nanosleep(&(struct timespec){.tv_sec = pause / 1000, .tv_nsec = pause % 1000 * 1000000}, NULL);
	return failed;
}

static int hidden(CK_MECHANISM_TYPE mechanism)
{
	int found = 0;
	refresh();
	for (int i = 0; i < rule_count; i++)
		if (rules[i].action == HIDE && rules[i].argument == mechanism)
			found = 1;
	pthread_rwlock_unlock(&lock);
	return found;
}

/* nonce_rule finds the rule about nonces for C_EncryptInit; 0 if there is none. */
static int nonce_rule(struct rule *found)
{
	int n = 0;
	refresh();
	for (int i = 0; i < rule_count; i++)
		if (rules[i].action == NONCE || rules[i].action == ZERO) {
			*found = rules[i];
			n = 1;
		}
	pthread_rwlock_unlock(&lock);
	return n;
}

/* A nonce that C_Encrypt of a session is to write where its C_EncryptInit said. */
enum { MAX_NONCES = 256, NONCE_LENGTH = 12 };
static pthread_mutex_t nonces_lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct nonce {
	CK_SESSION_HANDLE session;
	CK_BYTE_PTR to; /* NULL: the place is free */
	CK_BYTE value[NONCE_LENGTH];
} nonces[MAX_NONCES];

/* keep_nonce notes a nonce, or forgets that of the session when value is NULL. */
static void keep_nonce(CK_SESSION_HANDLE session, CK_BYTE_PTR to, const CK_BYTE *value)
{
	struct nonce *place = NULL;
	pthread_mutex_lock(&nonces_lock);
	for (int i = 0; i < MAX_NONCES; i++) {
		if (nonces[i].to && nonces[i].session == session)
			nonces[i].to = NULL;
		if (!nonces[i].to)
			place = &nonces[i];
	}
	if (value && place) {
		place->session = session;
		place->to = to;
		memcpy(place->value, value, NONCE_LENGTH);
	}
	pthread_mutex_unlock(&nonces_lock);
}

static void write_nonce(CK_SESSION_HANDLE session)
{
	pthread_mutex_lock(&nonces_lock);
	for (int i = 0; i < MAX_NONCES; i++)
		if (nonces[i].to && nonces[i].session == session) {
			memcpy(nonces[i].to, nonces[i].value, NONCE_LENGTH);
			nonces[i].to = NULL;
		}
	pthread_mutex_unlock(&nonces_lock);
}

/* forward runs a call of the real module between the rules. */
#define forward(name, key, call)                                  \
	do {                                                      \
		CK_RV fixed = CKR_OK, rv;                         \
		int lost = 0;                                     \
		if (fault(I_##name, &fixed, &lost, key) && !lost) \
			return fixed;                             \
		rv = real->call;                                  \
		return lost ? fixed : rv;                         \
	} while (0)

#define SESSION CK_SESSION_HANDLE session
#define IN(x) CK_BYTE_PTR x, CK_ULONG x##_len
#define OUT(x) CK_BYTE_PTR x, CK_ULONG_PTR x##_len
#define TEMPLATE(x) CK_ATTRIBUTE_PTR x, CK_ULONG x##_len

#define PLAIN(name, parameters, arguments) \
	CK_RV name parameters { forward(name, NULL, name arguments); }

/* KEYED calls work with an object; MECHANISM calls with a mechanism too. */
#define KEYED(name, parameters, arguments) \
	CK_RV name parameters { forward(name, &key, name arguments); }
#define MECHANISM(name, parameters, arguments)                      \
	CK_RV name parameters                                       \
	{                                                           \
		if (mechanism && hidden(mechanism->mechanism)) {    \
			atomic_fetch_add(&state->count[I_##name], 1); \
			return CKR_MECHANISM_INVALID;               \
		}                                                   \
		forward(name, &key, name arguments);                \
	}
#define INIT(name) \
	MECHANISM(name, (SESSION, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key), (session, mechanism, key))
#define ONE_PART(name) PLAIN(name, (SESSION, IN(in), OUT(out)), (session, in, in_len, out, out_len))
#define UPDATE(name) PLAIN(name, (SESSION, IN(in)), (session, in, in_len))
#define FINAL(name) PLAIN(name, (SESSION, OUT(out)), (session, out, out_len))
#define ON_SESSION(name) PLAIN(name, (SESSION), (session))

PLAIN(C_Initialize, (CK_VOID_PTR arguments), (arguments))
PLAIN(C_Finalize, (CK_VOID_PTR reserved), (reserved))
PLAIN(C_GetInfo, (CK_INFO_PTR info), (info))
PLAIN(C_GetSlotList, (CK_BBOOL present, CK_SLOT_ID_PTR slots, CK_ULONG_PTR count), (present, slots, count))
PLAIN(C_GetSlotInfo, (CK_SLOT_ID slot, CK_SLOT_INFO_PTR info), (slot, info))
PLAIN(C_GetTokenInfo, (CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info), (slot, info))
PLAIN(C_InitToken, (CK_SLOT_ID slot, CK_UTF8CHAR_PTR pin, CK_ULONG n, CK_UTF8CHAR_PTR label), (slot, pin, n, label))
PLAIN(C_InitPIN, (SESSION, CK_UTF8CHAR_PTR pin, CK_ULONG n), (session, pin, n))
PLAIN(C_SetPIN, (SESSION, CK_UTF8CHAR_PTR old, CK_ULONG o, CK_UTF8CHAR_PTR new, CK_ULONG n), (session, old, o, new, n))
PLAIN(C_OpenSession,
      (CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify, CK_SESSION_HANDLE_PTR session),
      (slot, flags, application, notify, session))
ON_SESSION(C_CloseSession)
PLAIN(C_CloseAllSessions, (CK_SLOT_ID slot), (slot))
PLAIN(C_GetSessionInfo, (SESSION, CK_SESSION_INFO_PTR info), (session, info))
FINAL(C_GetOperationState)
PLAIN(C_SetOperationState, (SESSION, IN(in), CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b), (session, in, in_len, a, b))
PLAIN(C_Login, (SESSION, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG n), (session, user, pin, n))
ON_SESSION(C_Logout)
PLAIN(C_CreateObject, (SESSION, TEMPLATE(t), CK_OBJECT_HANDLE_PTR object), (session, t, t_len, object))
KEYED(C_CopyObject, (SESSION, CK_OBJECT_HANDLE key, TEMPLATE(t), CK_OBJECT_HANDLE_PTR object), (session, key, t, t_len, object))
KEYED(C_DestroyObject, (SESSION, CK_OBJECT_HANDLE key), (session, key))
KEYED(C_GetObjectSize, (SESSION, CK_OBJECT_HANDLE key, CK_ULONG_PTR size), (session, key, size))
KEYED(C_GetAttributeValue, (SESSION, CK_OBJECT_HANDLE key, TEMPLATE(t)), (session, key, t, t_len))
KEYED(C_SetAttributeValue, (SESSION, CK_OBJECT_HANDLE key, TEMPLATE(t)), (session, key, t, t_len))
PLAIN(C_FindObjectsInit, (SESSION, TEMPLATE(t)), (session, t, t_len))
PLAIN(C_FindObjects, (SESSION, CK_OBJECT_HANDLE_PTR found, CK_ULONG most, CK_ULONG_PTR n), (session, found, most, n))
ON_SESSION(C_FindObjectsFinal)
ONE_PART(C_EncryptUpdate)
FINAL(C_EncryptFinal)
INIT(C_DecryptInit)
ONE_PART(C_Decrypt)
ONE_PART(C_DecryptUpdate)
FINAL(C_DecryptFinal)
PLAIN(C_DigestInit, (SESSION, CK_MECHANISM_PTR mechanism), (session, mechanism))
ONE_PART(C_Digest)
UPDATE(C_DigestUpdate)
KEYED(C_DigestKey, (SESSION, CK_OBJECT_HANDLE key), (session, key))
FINAL(C_DigestFinal)
INIT(C_SignInit)
ONE_PART(C_Sign)
UPDATE(C_SignUpdate)
FINAL(C_SignFinal)
INIT(C_SignRecoverInit)
ONE_PART(C_SignRecover)
INIT(C_VerifyInit)
PLAIN(C_Verify, (SESSION, IN(in), IN(sig)), (session, in, in_len, sig, sig_len))
UPDATE(C_VerifyUpdate)
UPDATE(C_VerifyFinal)
INIT(C_VerifyRecoverInit)
ONE_PART(C_VerifyRecover)
ONE_PART(C_DigestEncryptUpdate)
ONE_PART(C_DecryptDigestUpdate)
ONE_PART(C_SignEncryptUpdate)
ONE_PART(C_DecryptVerifyUpdate)
UPDATE(C_SeedRandom)
UPDATE(C_GenerateRandom)
ON_SESSION(C_GetFunctionStatus)
ON_SESSION(C_CancelFunction)
PLAIN(C_WaitForSlotEvent, (CK_FLAGS flags, CK_SLOT_ID_PTR slot, CK_VOID_PTR reserved), (flags, slot, reserved))
MECHANISM(C_WrapKey, (SESSION, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE wrapped, OUT(out)),
	  (session, mechanism, key, wrapped, out, out_len))
MECHANISM(C_UnwrapKey,
	  (SESSION, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key, IN(in), TEMPLATE(t), CK_OBJECT_HANDLE_PTR object),
	  (session, mechanism, key, in, in_len, t, t_len, object))
MECHANISM(C_DeriveKey,
	  (SESSION, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key, TEMPLATE(t), CK_OBJECT_HANDLE_PTR object),
	  (session, mechanism, key, t, t_len, object))

/* C_EncryptInit under a rule about nonces takes none but zeros for AES-GCM. */
CK_RV C_EncryptInit(SESSION, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	CK_MECHANISM ours;
	CK_GCM_PARAMS gcm, *given;
	CK_BYTE value[NONCE_LENGTH];
	struct rule r;
	if (mechanism && hidden(mechanism->mechanism)) {
		atomic_fetch_add(&state->count[I_C_EncryptInit], 1);
		return CKR_MECHANISM_INVALID;
	}
	keep_nonce(session, NULL, NULL);
	if (mechanism && mechanism->mechanism == CKM_AES_GCM && nonce_rule(&r)) {
		given = mechanism->pParameter;
		memset(value, 0, sizeof value);
		if (given->ulIvLen != NONCE_LENGTH || memcmp(given->pIv, value, NONCE_LENGTH)) {
			atomic_fetch_add(&state->count[I_C_EncryptInit], 1);
			return r.argument;
		}
		if (r.action == NONCE) {
			if (getrandom(value, sizeof value, 0) != sizeof value)
				return CKR_DEVICE_ERROR;
			keep_nonce(session, given->pIv, value);
		}
		gcm = *given;
		gcm.pIv = value;
		ours = *mechanism;
		ours.pParameter = &gcm;
		mechanism = &ours;
	}
	forward(C_EncryptInit, &key, C_EncryptInit(session, mechanism, key));
}

CK_RV C_Encrypt(SESSION, IN(in), OUT(out))
{
	CK_RV fixed = CKR_OK, rv;
	int lost = 0;
	if (fault(I_C_Encrypt, &fixed, &lost, NULL) && !lost)
		return fixed;
	rv = real->C_Encrypt(session, in, in_len, out, out_len);
	if (rv == CKR_OK && out)
		write_nonce(session);
	return lost ? fixed : rv;
}

CK_RV C_GenerateKey(SESSION, CK_MECHANISM_PTR mechanism, TEMPLATE(t), CK_OBJECT_HANDLE_PTR object)
{
	if (mechanism && hidden(mechanism->mechanism))
		return CKR_MECHANISM_INVALID;
	forward(C_GenerateKey, NULL, C_GenerateKey(session, mechanism, t, t_len, object));
}

CK_RV C_GenerateKeyPair(SESSION, CK_MECHANISM_PTR mechanism, TEMPLATE(a), TEMPLATE(b), CK_OBJECT_HANDLE_PTR public,
			CK_OBJECT_HANDLE_PTR private)
{
	if (mechanism && hidden(mechanism->mechanism))
		return CKR_MECHANISM_INVALID;
	forward(C_GenerateKeyPair, NULL, C_GenerateKeyPair(session, mechanism, a, a_len, b, b_len, public, private));
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE mechanism, CK_MECHANISM_INFO_PTR info)
{
	if (hidden(mechanism))
		return CKR_MECHANISM_INVALID;
	forward(C_GetMechanismInfo, NULL, C_GetMechanismInfo(slot, mechanism, info));
}

/* With hidden mechanisms the list is shorter; the length asked for beforehand
 * may be too large by them, which the standard allows. */
CK_RV C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count)
{
	CK_RV fixed = CKR_OK, rv;
	CK_ULONG kept = 0;
	int lost = 0;
	if (fault(I_C_GetMechanismList, &fixed, &lost, NULL) && !lost)
		return fixed;
	rv = real->C_GetMechanismList(slot, list, count);
	if (lost)
		return fixed;
	if (rv != CKR_OK || !list)
		return rv;
	for (CK_ULONG i = 0; i < *count; i++)
		if (!hidden(list[i]))
			list[kept++] = list[i];
	*count = kept;
	return CKR_OK;
}

static CK_FUNCTION_LIST functions = {
	{2, 40},
#define CK_PKCS11_FUNCTION_INFO(name) .name = name,
#include "pkcs11f.h"
#undef CK_PKCS11_FUNCTION_INFO
};

static void load(void)
{
	char path[4096];
	const char *module = getenv("CLAVIGER_FAULT_MODULE");
	CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR);
	void *library;
	int fd;
	control = getenv("CLAVIGER_FAULT_CONTROL");
	if (!module || !control)
		return;
	control = strdup(control);
	snprintf(path, sizeof path, "%s.state", control);
	if ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
		return;
	state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (state == MAP_FAILED || !(library = dlopen(module, RTLD_NOW | RTLD_LOCAL)))
		return;
	*(void **)&get = dlsym(library, "C_GetFunctionList");
	if (get && get(&real) != CKR_OK)
		real = NULL;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, load);
	if (!real)
		return CKR_GENERAL_ERROR;
	*list = &functions;
	return CKR_OK;
}
