/* What worm_driver.c knows of the vendor's library: the functions that a script can reach, looked up at run time.
 * The signatures are facts of its binary interface; nothing of the library itself is here. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { SERIAL = 32, CLIENT_SLOT = 31, PAGE = 16 };

typedef void Handle;
typedef const unsigned char *Bytes;
typedef int Sink(Bytes piece, unsigned length, void *sum);
typedef int CountingSink(Bytes piece, unsigned length, uint32_t done, uint32_t total, void *sum);
struct serial_page { int count; unsigned char serials[PAGE][SERIAL]; };
struct client_page { int count; char ids[PAGE][CLIENT_SLOT]; };

/* The functions of the library that a script can reach; those that a version lacks stay NULL. */
#define FUNCTIONS(F) \
    F(const char *, worm_getVersion, (void)) \
    F(int, worm_init, (Handle **, const char *directory)) \
    F(int, worm_init_lan, (Handle **, const char *url, const char *token)) \
    F(int, worm_cleanup, (Handle *)) \
    F(int, worm_lantse_listConnectedTses, (Handle *, int skip, struct serial_page *)) \
    F(int, worm_lantse_select, (Handle *, Bytes serial, int length)) \
    F(int, worm_lantse_lock, (Handle *)) \
    F(int, worm_lantse_unlock, (Handle *)) \
    F(Handle *, worm_info_new, (Handle *)) \
    F(int, worm_info_read, (Handle *)) \
    F(int, worm_info_initializationState, (Handle *)) \
    F(int, worm_info_hasPassedSelfTest, (Handle *)) \
    F(int, worm_info_hasValidTime, (Handle *)) \
    F(uint32_t, worm_info_createdSignatures, (Handle *)) \
    F(uint32_t, worm_info_size, (Handle *)) \
    F(uint64_t, worm_info_tarExportSize, (Handle *)) \
    F(int, worm_tse_runSelfTest, (Handle *, const char *client)) \
    F(int, worm_tse_setup, (Handle *, const char *seed, int, const char *puk, int, const char *pin, int, \
                            const char *time_pin, int, const char *client)) \
    F(int, worm_tse_updateTime, (Handle *, uint64_t)) \
    F(int, worm_tse_initialize, (Handle *)) \
    F(int, worm_tse_decommission, (Handle *)) \
    F(int, worm_tse_factoryReset, (Handle *)) \
    F(int, worm_tse_ctss_enable, (Handle *)) \
    F(int, worm_tse_ctss_disable, (Handle *)) \
    F(int, worm_tse_enableExportIfCspTestFails, (Handle *)) \
    F(int, worm_tse_disableExportIfCspTestFails, (Handle *)) \
    F(int, worm_tse_registerClient, (Handle *, const char *)) \
    F(int, worm_tse_deregisterClient, (Handle *, const char *)) \
    F(int, worm_tse_listRegisteredClients, (Handle *, int skip, struct client_page *)) \
    F(int, worm_tse_firmwareUpdate_isBundledAvailable, (Handle *, int *)) \
    F(int, worm_user_login, (Handle *, int user, const char *pin, int, int *tries)) \
    F(int, worm_user_logout, (Handle *, int user)) \
    F(int, worm_user_unblock, (Handle *, int user, const char *puk, int, const char *pin, int, int *tries)) \
    F(int, worm_user_change_pin, (Handle *, int user, const char *old, int, const char *fresh, int, int *tries)) \
    F(Handle *, worm_transaction_response_new, (Handle *)) \
    F(uint64_t, worm_transaction_response_transactionNumber, (Handle *)) \
    F(uint64_t, worm_transaction_response_signatureCounter, (Handle *)) \
    F(int, worm_transaction_start, (Handle *, const char *client, Bytes, uint64_t, const char *type, Handle *)) \
    F(int, worm_transaction_update, (Handle *, const char *client, uint64_t number, Bytes, uint64_t, const char *type, Handle *)) \
    F(int, worm_transaction_finish, (Handle *, const char *client, uint64_t number, Bytes, uint64_t, const char *type, Handle *)) \
    F(int, worm_transaction_lastResponse, (Handle *, const char *client, Handle *)) \
    F(int, worm_transaction_listStartedTransactions, (Handle *, const char *client, int skip, uint64_t *, int, int *)) \
    F(int, worm_getLogMessageCertificate, (Handle *, unsigned char *, uint32_t *length)) \
    F(int, worm_flash_health_summary, (Handle *, uint32_t *errors, uint8_t *spare, uint8_t *erases, uint8_t *years)) \
    F(int, worm_export_tar, (Handle *, Sink *, void *)) \
    F(int, worm_export_tar_filtered_time, (Handle *, uint64_t, uint64_t, const char *client, Sink *, void *)) \
    F(int, worm_export_tar_filtered_transaction, (Handle *, uint64_t, uint64_t, const char *client, Sink *, void *)) \
    F(int, worm_export_tar_incremental, (Handle *, Bytes before, int, unsigned char *after, int, uint64_t *first, \
                                         uint64_t *last, CountingSink *, void *)) \
    F(int, worm_export_deleteStoredData, (Handle *)) \
    F(int, worm_keepalive_configure, (Handle *, int seconds)) \
    F(int, worm_keepalive_disable, (Handle *)) \
    F(Handle *, worm_entry_new, (Handle *)) \
    F(int, worm_entry_iterate_first, (Handle *)) \
    F(int, worm_entry_iterate_next, (Handle *)) \
    F(int, worm_entry_isValid, (Handle *)) \
    F(uint64_t, worm_entry_logMessageLength, (Handle *)) \
    F(int, worm_entry_readLogMessage, (Handle *, unsigned char *, uint64_t))

#define POINTER(result, name, arguments) static result(*name) arguments;
FUNCTIONS(POINTER)
/* Both generations of the library have this name, with and without a user. */
static void *worm_user_change_puk;

static void load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
#define FIND(result, name, arguments) name = (result(*) arguments)dlsym(library, #name);
    FUNCTIONS(FIND)
    worm_user_change_puk = dlsym(library, "worm_user_change_puk");
}
