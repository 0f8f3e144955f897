/* Long texts of ConfigMaps (Flink's and its loggers' configuration) are kept in the journal as a
 * digest: they are only ever compared with what they should be, and make up a third of what is
 * known of a cluster. */
#ifndef COMMON_MODEL_TEXT_DIGEST_H
#define COMMON_MODEL_TEXT_DIGEST_H

#include <stdbool.h>

enum { TEXT_DIGEST_SIZE = sizeof("md5:") + 32, TEXT_DIGEST_OVER_BYTES = 128 };

/** Is a text so long that its digest takes its place? */
bool text_is_digested(const char *text);
void text_digest(char out[TEXT_DIGEST_SIZE], const char *text);
/** Is @kept what is kept of @text: itself, or its digest? */
bool text_is_kept_as(const char *text, const char *kept);

#endif
