/* Runs a script of calls against the vendor's library, which its owner provides: it is loaded at run time.
 *
 *   worm_driver LIBRARY https://HOST:PORT TOKEN    a gateway in the network
 *   worm_driver LIBRARY DIRECTORY                  the files of a mounted TSE
 *
 * Standard input: one call a line, words separated by blanks, "-" for an empty word. Standard output: each line
 * again, " -> ", the result code in hex, and what the call gave back. Begins with "init", ends with "cleanup".
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worm_library.h"

enum { OPEN_PAGE = 62, WORDS = 12, STATE = 16, UNTOUCHED = -7 };
enum { INVALID_PARAMETER = 0x01, NOT_SUPPORTED = 0x11, UNKNOWN_CALL = 0xbad };

static Handle *tse, *info, *response;
static uint64_t transaction;
static unsigned char process_data[4 << 20];
static char shown[512];

static void show(const char *form, ...)
{
    va_list values;
    va_start(values, form);
    vsnprintf(shown, sizeof shown, form, values);
    va_end(values);
}

#define NUMBER(text) strtoull(text, NULL, 10)
#define TEXT(text) text, (int)strlen(text)
#define LACKING(name) if (!name) return NOT_SUPPORTED

struct sum { uint64_t bytes, pieces; };

static int add(Bytes piece, unsigned length, void *sum)
{
    ((struct sum *)sum)->bytes += length;
    ((struct sum *)sum)->pieces++;
    return piece || !length ? 0 : 1;
}

static int add_counted(Bytes piece, unsigned length, uint32_t done, uint32_t total, void *sum)
{
    return done <= total ? add(piece, length, sum) : 1;
}

static int shown_sum(int result, const struct sum *sum)
{
    show("bytes=%llu chunks=%llu", (unsigned long long)sum->bytes, (unsigned long long)sum->pieces);
    return result;
}

/* One function a call; `word` holds the words behind its name, empty ones included. */

static int do_list(char **word)
{
    LACKING(worm_lantse_listConnectedTses);
    struct serial_page page = {0};
    int result = worm_lantse_listConnectedTses(tse, (int)NUMBER(word[0]), &page);
    show("amount=%d first=%02x%02x", page.count, page.serials[0][0], page.serials[0][1]);
    return result;
}

static int do_select(char **word)
{
    LACKING(worm_lantse_select);
    unsigned char serial[SERIAL];
    for (int i = 0; i < SERIAL; i++)
        if (sscanf(word[0] + 2 * i, "%2hhx", &serial[i]) != 1)
            return INVALID_PARAMETER;
    return worm_lantse_select(tse, serial, SERIAL);
}

static int do_select0(char **word)
{
    (void)word;
    LACKING(worm_lantse_select);
    struct serial_page page = {0};
    int result = worm_lantse_listConnectedTses(tse, 0, &page);
    return result ? result : worm_lantse_select(tse, page.serials[0], SERIAL);
}

static int do_lock(char **word) { (void)word; LACKING(worm_lantse_lock); return worm_lantse_lock(tse); }
static int do_unlock(char **word) { (void)word; LACKING(worm_lantse_unlock); return worm_lantse_unlock(tse); }

static int do_info(char **word)
{
    (void)word;
    int result = worm_info_read(info);
    if (!result)
        show("state=%d st=%d time=%d sig=%u size=%u tar=%llu", worm_info_initializationState(info),
             worm_info_hasPassedSelfTest(info), worm_info_hasValidTime(info), worm_info_createdSignatures(info),
             worm_info_size(info), (unsigned long long)worm_info_tarExportSize(info));
    return result;
}

static int do_selftest(char **word) { return worm_tse_runSelfTest(tse, word[0]); }
static int do_time(char **word) { return worm_tse_updateTime(tse, NUMBER(word[0])); }
static int do_initialize(char **word) { (void)word; return worm_tse_initialize(tse); }
static int do_decommission(char **word) { (void)word; return worm_tse_decommission(tse); }
static int do_factoryreset(char **word) { (void)word; return worm_tse_factoryReset(tse); }

static int do_setup(char **word)
{
    return worm_tse_setup(tse, TEXT(word[0]), TEXT(word[1]), TEXT(word[2]), TEXT(word[3]), word[4]);
}

static int do_ctss(char **word) { return (NUMBER(word[0]) ? worm_tse_ctss_enable : worm_tse_ctss_disable)(tse); }

static int do_csp(char **word)
{
    return (NUMBER(word[0]) ? worm_tse_enableExportIfCspTestFails : worm_tse_disableExportIfCspTestFails)(tse);
}

static int do_login(char **word)
{
    int tries = UNTOUCHED, result = worm_user_login(tse, (int)NUMBER(word[0]), TEXT(word[1]), &tries);
    show("rem=%d", tries);
    return result;
}

static int do_logout(char **word) { return worm_user_logout(tse, (int)NUMBER(word[0])); }

static int do_unblock(char **word)
{
    int tries = UNTOUCHED, user = (int)NUMBER(word[0]);
    int result = worm_user_unblock(tse, user, TEXT(word[1]), TEXT(word[2]), &tries);
    show("rem=%d", tries);
    return result;
}

static int do_chpin(char **word)
{
    int tries = UNTOUCHED, user = (int)NUMBER(word[0]);
    int result = worm_user_change_pin(tse, user, TEXT(word[1]), TEXT(word[2]), &tries);
    show("rem=%d", tries);
    return result;
}

static int do_chpuk(char **word)
{
    typedef int Old(Handle *, const char *, int, const char *, int, int *);
    typedef int New(Handle *, int, const char *, int, const char *, int, int *);
    int tries = UNTOUCHED, result;
    if (worm_lantse_select) /* 6.x: the PUK belongs to a user, 1 is Admin */
        result = ((New *)worm_user_change_puk)(tse, 1, TEXT(word[0]), TEXT(word[1]), &tries);
    else
        result = ((Old *)worm_user_change_puk)(tse, TEXT(word[0]), TEXT(word[1]), &tries);
    show("rem=%d", tries);
    return result;
}

static int do_reg(char **word) { return worm_tse_registerClient(tse, word[0]); }
static int do_dereg(char **word) { return worm_tse_deregisterClient(tse, word[0]); }

static int do_listclients(char **word)
{
    struct client_page page = {0};
    int result = worm_tse_listRegisteredClients(tse, (int)NUMBER(word[0]), &page);
    show("n=%d first=%.31s", page.count, page.ids[0]);
    return result;
}

static int do_start(char **word)
{
    int result = worm_transaction_start(tse, word[0], process_data, NUMBER(word[2]), word[1], response);
    if (!result) {
        transaction = worm_transaction_response_transactionNumber(response);
        show("no=%llu sig=%llu", (unsigned long long)transaction,
             (unsigned long long)worm_transaction_response_signatureCounter(response));
    }
    return result;
}

typedef int Step(Handle *, const char *, uint64_t, Bytes, uint64_t, const char *, Handle *);

static int step(Step *function, char **word)
{
    uint64_t number = *word[3] ? NUMBER(word[3]) : transaction;
    int result = function(tse, word[0], number, process_data, NUMBER(word[2]), word[1], response);
    if (!result)
        show("sig=%llu", (unsigned long long)worm_transaction_response_signatureCounter(response));
    return result;
}

static int do_update(char **word) { return step(worm_transaction_update, word); }
static int do_finish(char **word) { return step(worm_transaction_finish, word); }

static int do_last(char **word)
{
    int result = worm_transaction_lastResponse(tse, word[0], response);
    if (!result)
        show("no=%llu", (unsigned long long)worm_transaction_response_transactionNumber(response));
    return result;
}

static int do_listtx(char **word)
{
    uint64_t numbers[OPEN_PAGE];
    int count = -1;
    int skip = (int)NUMBER(word[1]);
    int result = worm_transaction_listStartedTransactions(tse, word[0], skip, numbers, OPEN_PAGE, &count);
    show("n=%d", count);
    return result;
}

static int do_cert(char **word)
{
    (void)word;
    static unsigned char chain[1 << 16];
    uint32_t asked = 0, got = sizeof chain;
    int result = worm_getLogMessageCertificate(tse, NULL, &asked);
    if (!result)
        result = worm_getLogMessageCertificate(tse, chain, &got);
    show("len=%u,%u %.10s", asked, got, (char *)chain);
    return result;
}

static int do_health(char **word)
{
    (void)word;
    uint32_t errors;
    uint8_t spare, erases, years;
    int result = worm_flash_health_summary(tse, &errors, &spare, &erases, &years);
    if (!result)
        show("%u %u %u %u", errors, spare, erases, years);
    return result;
}

static int do_export(char **word)
{
    (void)word;
    struct sum sum = {0};
    return shown_sum(worm_export_tar(tse, add, &sum), &sum);
}

static int do_ftime(char **word)
{
    struct sum sum = {0};
    uint64_t from = NUMBER(word[0]), to = NUMBER(word[1]);
    return shown_sum(worm_export_tar_filtered_time(tse, from, to, word[2], add, &sum), &sum);
}

static int do_ftx(char **word)
{
    struct sum sum = {0};
    uint64_t from = NUMBER(word[0]), to = NUMBER(word[1]);
    return shown_sum(worm_export_tar_filtered_transaction(tse, from, to, word[2], add, &sum), &sum);
}

static int do_incr(char **word)
{
    (void)word;
    static unsigned char before[STATE];
    static int known;
    unsigned char after[STATE] = {0};
    struct sum sum = {0};
    uint64_t first = 0, last = 0;
    int result = worm_export_tar_incremental(tse, known ? before : NULL, known, after, STATE, &first, &last,
                                             add_counted, &sum);
    if (!result) {
        memcpy(before, after, STATE);
        known = STATE;
    }
    show("bytes=%llu chunks=%llu first=%llu last=%llu", (unsigned long long)sum.bytes,
         (unsigned long long)sum.pieces, (unsigned long long)first, (unsigned long long)last);
    return result;
}

static int do_delete(char **word) { (void)word; return worm_export_deleteStoredData(tse); }

static int do_entries(char **word)
{
    Handle *entry = worm_entry_new(tse);
    uint64_t count = 0, bytes = 0;
    int result = worm_entry_iterate_first(entry);
    while (!result && worm_entry_isValid(entry)) {
        uint64_t length = worm_entry_logMessageLength(entry);
        if (*word[0]) {
            unsigned char *message = malloc(length);
            result = message ? worm_entry_readLogMessage(entry, message, length) : UNKNOWN_CALL;
            free(message);
        }
        count++, bytes += length;
        if (!result)
            result = worm_entry_iterate_next(entry);
    }
    show("n=%llu bytes=%llu", (unsigned long long)count, (unsigned long long)bytes);
    return result;
}

static int do_keepalive(char **word) { return worm_keepalive_configure(tse, (int)NUMBER(word[0])); }
static int do_nokeepalive(char **word) { (void)word; return worm_keepalive_disable(tse); }

static int do_fwavail(char **word)
{
    (void)word;
    int available = -1, result = worm_tse_firmwareUpdate_isBundledAvailable(tse, &available);
    show("%d", available);
    return result;
}

static int do_sleep(char **word) { return usleep((useconds_t)(strtod(word[0], NULL) * 1e6)); }

static const struct call { const char *name; int (*run)(char **word); } calls[] = {
#define CALL(name) {#name, do_##name}
    CALL(list), CALL(select), CALL(select0), CALL(lock), CALL(unlock), CALL(info), CALL(selftest), CALL(setup),
    CALL(time), CALL(initialize), CALL(decommission), CALL(factoryreset), CALL(ctss), CALL(csp), CALL(login),
    CALL(logout), CALL(unblock), CALL(chpin), CALL(chpuk), CALL(reg), CALL(dereg), CALL(listclients), CALL(start),
    CALL(update), CALL(finish), CALL(last), CALL(listtx), CALL(cert), CALL(health), CALL(export), CALL(ftime),
    CALL(ftx), CALL(incr), CALL(delete), CALL(entries), CALL(keepalive), CALL(nokeepalive), CALL(fwavail), CALL(sleep),
};

static int run(char *line)
{
    char *word[WORDS + 1], *rest, *found = strtok_r(line, " ", &rest);
    int count = 0;
    for (; found && count < WORDS; found = strtok_r(NULL, " ", &rest))
        word[count++] = strcmp(found, "-") ? found : "";
    while (count <= WORDS)
        word[count++] = "";
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!strcmp(calls[i].name, word[0]))
            return calls[i].run(word + 1);
    return UNKNOWN_CALL;
}

static void tell(const char *line, int result)
{
    printf("%s -> 0x%x%s%s\n", line, result, *shown ? " " : "", shown);
    *shown = 0;
}

int main(int count, char **argument)
{
    char line[4096], copy[sizeof line];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count < 3) {
        fprintf(stderr, "worm_driver LIBRARY https://HOST:PORT TOKEN, or LIBRARY DIRECTORY\n");
        return 2;
    }
    load(argument[1]);
    for (size_t i = 0; i < sizeof process_data; i++)
        process_data[i] = (unsigned char)(i * 7);
    int result = NOT_SUPPORTED;
    if (count == 3)
        result = worm_init(&tse, argument[2]);
    else if (worm_init_lan)
        result = worm_init_lan(&tse, argument[2], argument[3]);
    show("%s", worm_getVersion());
    tell("init", result);
    if (result)
        return 1;
    info = worm_info_new(tse);
    response = worm_transaction_response_new(tse);
    while (fgets(line, sizeof line, stdin) && strncmp(line, "quit", 4)) {
        line[strcspn(line, "\n")] = 0;
        if (!*line)
            continue;
        strcpy(copy, line);
        result = run(copy);
        tell(line, result);
    }
    tell("cleanup", worm_cleanup(tse));
    return 0;
}
