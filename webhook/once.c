#include "webhook/once.h"

#include "common/base/buf.h"
#include "common/base/time.h"
#include "webhook/review.h"

enum { READ_BYTES = 64 * 1024, INPUT_MAX_BYTES = 3 * 1024 * 1024 };

static int read_all(FILE *in, struct buf *input, struct error *err)
{
    char chunk[READ_BYTES];
    size_t n;

    while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0)
        buf_add(input, chunk, n);
    if (ferror(in))
        return error_set(err, EIO, "standard input can't be read");
    return input->failed ? error_set(err, EFBIG, "more than %d bytes", INPUT_MAX_BYTES) : 0;
}

int webhook_once(FILE *in, FILE *out, struct error *err)
{
    static const enum review_kind kinds[] = {REVIEW_MUTATE, REVIEW_VALIDATE};
    _cleanup_(buf_done) struct buf input = BUF_INIT(INPUT_MAX_BYTES);
    bool undecodable = false;
    int r;

    r = read_all(in, &input, err);
    for (size_t i = 0; !r && i < ARRAY_SIZE(kinds); i++) {
        _cleanup_(freep) char *answer = NULL;
        int status;

        r = review_answer(kinds[i], buf_str(&input), input.len, time_now_ms(), &status, &answer,
                          err);
        if (!r && fprintf(out, "%s\n", answer) < 0)
            r = error_set(err, EIO, "the answer can't be written");
        undecodable = undecodable || (!r && status != 200);
    }
    if (!r && undecodable)
        r = error_set(err, EBADMSG, "standard input is no AdmissionReview, see the answer");
    return r;
}
