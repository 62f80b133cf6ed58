//! What has to hold in an index. The numbers in the comments are those of the invariants in the format's reference.

use crate::model::Damage::{Inconsistent, Index, Unsupported};
use crate::tsdb::Rule;

// 7: the header; 8: the table of contents; 9: every byte belongs to something
pub static TOO_SHORT: Rule = Rule::critical("index_too_short", Index, "is too short to be an index");
pub static MAGIC: Rule = Rule::critical("index_magic", Index, "does not begin as an index does");
pub static VERSION: Rule = Rule::critical("index_version", Index, "has a version that no program writes");
pub static VERSION_1: Rule = Rule::info("index_version_1", Unsupported, "is of version 1, as Prometheus 2.0 wrote it");
pub static VERSION_3: Rule = Rule::warning(
    "index_version_3",
    Unsupported,
    "is of version 3, which no program writes and only Prometheus since 2.55 reads",
);
pub static TOC_CRC: Rule = Rule::critical("toc_crc", Index, "has a table of contents whose checksum does not fit");
pub static TOC_OFFSETS: Rule =
    Rule::critical("toc_offsets", Index, "has a table of contents whose sections cannot lie like this");
pub static ENDS_EARLY: Rule = Rule::critical("index_ends_early", Index, "ends before it is as long as the bucket says");
pub static READINGS_DIFFER: Rule =
    Rule::critical("index_readings_differ", Index, "gave other bytes when its end was read again");
pub static PADDING: Rule = Rule::critical("index_padding", Index, "has bytes between its parts that are not zero");
pub static PADDING_EXTRA: Rule =
    Rule::warning("index_padding_extra", Index, "has zeros where no writer leaves any, at the end of a section");
pub static LOOSE_NUMBER: Rule =
    Rule::warning("index_number_loose", Index, "has a number in more bytes than any writer takes for it");

// 10, 11, 12: symbols
pub static SYMBOLS_LENGTH: Rule =
    Rule::critical("symbols_length", Index, "has a symbol table with another length than its place");
pub static SYMBOLS_CRC: Rule = Rule::critical("symbols_crc", Index, "has a symbol table whose checksum does not fit");
pub static SYMBOLS_COUNT: Rule =
    Rule::critical("symbols_count", Index, "has another number of symbols than its symbol table says");
pub static SYMBOLS_BROKEN: Rule = Rule::critical("symbols_broken", Index, "has a symbol that cannot be read");
pub static SYMBOLS_ORDER: Rule =
    Rule::critical("symbols_order", Index, "has symbols that are not sorted, or twice the same");
pub static SYMBOL_NOT_UTF8: Rule = Rule::warning("symbol_not_utf8", Index, "has a symbol that is not UTF-8");

// 10, 11, 13, 14, 15: series
pub static SERIES_GAP: Rule = Rule::critical("series_gap", Index, "has zeros where a series has to begin");
pub static SERIES_BROKEN: Rule =
    Rule::critical("series_broken", Index, "has a series whose length cannot be what it says");
pub static SERIES_CRC: Rule = Rule::critical("series_crc", Index, "has a series whose checksum does not fit");
pub static SERIES_PAYLOAD: Rule =
    Rule::critical("series_payload", Index, "has a series whose content is not a series, under a checksum that fits");
pub static SERIES_UNREAD: Rule =
    Rule::critical("series_unread", Index, "has a part in which no further series could be found behind a damage");
pub static SERIES_SYMBOL: Rule =
    Rule::critical("series_symbol", Index, "has a series with a label that the symbol table does not hold");
pub static SERIES_LABELS_ORDER: Rule =
    Rule::critical("series_labels_order", Index, "has a series whose labels are not sorted, or twice the same name");
pub static SERIES_LABEL_NAME_EMPTY: Rule =
    Rule::critical("series_label_name_empty", Index, "has a series with a label without a name");
pub static SERIES_LABEL_VALUE_EMPTY: Rule =
    Rule::warning("series_label_value_empty", Index, "has a series with an empty label");
pub static SERIES_WITHOUT_LABELS: Rule = Rule::critical("series_without_labels", Index, "has a series without labels");
pub static SERIES_WITHOUT_NAME: Rule =
    Rule::info("series_without_name", Index, "has a series without the label `__name__`");
pub static SERIES_ORDER: Rule =
    Rule::critical("series_order", Index, "has series that are not sorted by their labels, or twice the same");

// 10, 11, 19: label indices, which no reader has used since Prometheus 2.1
pub static LABEL_INDEX_BROKEN: Rule =
    Rule::warning("label_index_broken", Index, "has a label index that cannot be read");
pub static LABEL_INDEX_CRC: Rule =
    Rule::warning("label_index_crc", Index, "has a label index whose checksum does not fit");
pub static LABEL_INDEX_ORDER: Rule =
    Rule::warning("label_index_order", Index, "has a label index whose values are not sorted");
pub static LABEL_INDEX_CONTENT: Rule = Rule::warning(
    "label_index_content",
    Inconsistent,
    "has a label index with other values than there are postings for",
);
pub static LABEL_TABLE_LENGTH: Rule =
    Rule::warning("label_table_length", Index, "has a label offset table with another length than its place");
pub static LABEL_TABLE_CRC: Rule =
    Rule::warning("label_table_crc", Index, "has a label offset table whose checksum does not fit");
pub static LABEL_TABLE_COUNT: Rule =
    Rule::warning("label_table_count", Index, "has another number of entries than its label offset table says");
pub static LABEL_TABLE_BROKEN: Rule =
    Rule::warning("label_table_broken", Index, "has an entry in its label offset table that cannot be read");
pub static LABEL_TABLE_OFFSET: Rule =
    Rule::warning("label_table_offset", Index, "has entries in its label offset table that are not its label indices");

// 10, 11, 17: postings
pub static POSTINGS_LENGTH: Rule =
    Rule::critical("postings_length", Index, "has a posting list with another length than its place");
pub static POSTINGS_COUNT: Rule =
    Rule::critical("postings_count", Index, "has another number of postings than their list says");
pub static POSTINGS_BROKEN: Rule = Rule::critical("postings_broken", Index, "has a posting list that cannot be read");
pub static POSTINGS_CRC: Rule = Rule::critical("postings_crc", Index, "has a posting list whose checksum does not fit");
pub static POSTINGS_ORDER: Rule =
    Rule::critical("postings_order", Index, "has a posting list that is not sorted, or names a series twice");
pub static POSTINGS_EMPTY: Rule = Rule::critical("postings_empty", Index, "has a posting list without postings");

// 10, 11, 18: the table of their offsets
pub static TABLE_LENGTH: Rule =
    Rule::critical("postings_table_length", Index, "has a postings offset table with another length than its place");
pub static TABLE_CRC: Rule =
    Rule::critical("postings_table_crc", Index, "has a postings offset table whose checksum does not fit");
pub static TABLE_COUNT: Rule =
    Rule::critical("postings_table_count", Index, "has another number of entries than its postings offset table says");
pub static TABLE_BROKEN: Rule =
    Rule::critical("postings_table_broken", Index, "has an entry in its postings offset table that cannot be read");
pub static TABLE_ORDER: Rule =
    Rule::critical("postings_table_order", Index, "has a postings offset table that is not sorted, or twice the same");
pub static TABLE_OFFSET: Rule = Rule::critical(
    "postings_table_offset",
    Index,
    "has an entry in its postings offset table that leads to no posting list",
);
pub static TABLE_MISSES: Rule =
    Rule::critical("postings_table_misses", Index, "has a posting list that the postings offset table does not name");

// 16, 17: postings are the inversion of the series
pub static POSTINGS_ALL: Rule =
    Rule::critical("postings_all", Inconsistent, "has a list of all series that is not that of all its series");
pub static POSTINGS_DIFFER: Rule =
    Rule::critical("postings_differ", Inconsistent, "has postings that are not the series with that label");
pub static POSTINGS_UNPROVEN: Rule =
    Rule::info("postings_unproven", Index, "is damaged, so that its postings could not be compared with its series");

// 20: what meta.json says
pub static SERIES_COUNT: Rule =
    Rule::critical("index_series_count", Inconsistent, "has another number of series than `meta.json` says");
pub static CHUNKS_COUNT: Rule =
    Rule::critical("index_chunks_count", Inconsistent, "has another number of chunks than `meta.json` says");

// 21 to 25: chunks
pub static NO_CHUNKS: Rule = Rule::critical("series_without_chunks", Inconsistent, "has a series without chunks");
pub static CHUNK_REVERSED: Rule =
    Rule::critical("chunk_times_reversed", Inconsistent, "has a chunk that ends before it begins");
pub static CHUNK_DUPLICATE: Rule = Rule::warning(
    "chunk_duplicate",
    Inconsistent,
    "has a chunk with the same times as the one before it in its series",
);
pub static SHARED_SAMPLE: Rule = Rule::warning(
    "chunk_shared_sample",
    Inconsistent,
    "has a chunk that begins with the last time of the one before, as Prometheus 2.47.0 wrote it (prometheus#12873)",
);
pub static CHUNK_OVERLAP: Rule = Rule::critical(
    "chunk_overlap",
    Inconsistent,
    "has a chunk that begins before the one before it in its series ends",
);
pub static CHUNK_AT_MAX_TIME: Rule = Rule::warning(
    "chunk_at_max_time",
    Inconsistent,
    "has a chunk that ends at the end of its block, which is not inside",
);
pub static CHUNK_ISSUE_347: Rule = Rule::warning(
    "chunk_issue_347",
    Inconsistent,
    "has a chunk that begins at the end of its block, as early versions of Prometheus wrote it (tsdb#347)",
);
pub static CHUNK_OUTSIDE: Rule =
    Rule::critical("chunk_outside", Inconsistent, "has a chunk that lies outside of its block's time");
pub static CHUNK_REACHES_OUT: Rule =
    Rule::critical("chunk_reaches_out", Inconsistent, "has a chunk that reaches out of its block's time");
pub static CHUNK_REFERENCE: Rule = Rule::critical("chunk_reference", Inconsistent, "has a chunk in a segment's header");
pub static CHUNK_REFERENCE_TWICE: Rule =
    Rule::critical("chunk_reference_twice", Inconsistent, "has twice the same chunk");
pub static CHUNK_REFERENCES_FALL: Rule = Rule::info(
    "chunk_references_fall",
    Inconsistent,
    "has chunks that do not lie in the order of their series, as writers before Prometheus 2.51 left them",
);

/// All of them.
pub static RULES: &[&Rule] = &[
    &TOO_SHORT,
    &MAGIC,
    &VERSION,
    &VERSION_1,
    &VERSION_3,
    &TOC_CRC,
    &TOC_OFFSETS,
    &ENDS_EARLY,
    &READINGS_DIFFER,
    &PADDING,
    &PADDING_EXTRA,
    &LOOSE_NUMBER,
    &SYMBOLS_LENGTH,
    &SYMBOLS_CRC,
    &SYMBOLS_COUNT,
    &SYMBOLS_BROKEN,
    &SYMBOLS_ORDER,
    &SYMBOL_NOT_UTF8,
    &SERIES_GAP,
    &SERIES_BROKEN,
    &SERIES_CRC,
    &SERIES_PAYLOAD,
    &SERIES_UNREAD,
    &SERIES_SYMBOL,
    &SERIES_LABELS_ORDER,
    &SERIES_LABEL_NAME_EMPTY,
    &SERIES_LABEL_VALUE_EMPTY,
    &SERIES_WITHOUT_LABELS,
    &SERIES_WITHOUT_NAME,
    &SERIES_ORDER,
    &LABEL_INDEX_BROKEN,
    &LABEL_INDEX_CRC,
    &LABEL_INDEX_ORDER,
    &LABEL_INDEX_CONTENT,
    &LABEL_TABLE_LENGTH,
    &LABEL_TABLE_CRC,
    &LABEL_TABLE_COUNT,
    &LABEL_TABLE_BROKEN,
    &LABEL_TABLE_OFFSET,
    &POSTINGS_LENGTH,
    &POSTINGS_COUNT,
    &POSTINGS_BROKEN,
    &POSTINGS_CRC,
    &POSTINGS_ORDER,
    &POSTINGS_EMPTY,
    &TABLE_LENGTH,
    &TABLE_CRC,
    &TABLE_COUNT,
    &TABLE_BROKEN,
    &TABLE_ORDER,
    &TABLE_OFFSET,
    &TABLE_MISSES,
    &POSTINGS_ALL,
    &POSTINGS_DIFFER,
    &POSTINGS_UNPROVEN,
    &SERIES_COUNT,
    &CHUNKS_COUNT,
    &NO_CHUNKS,
    &CHUNK_REVERSED,
    &CHUNK_DUPLICATE,
    &SHARED_SAMPLE,
    &CHUNK_OVERLAP,
    &CHUNK_AT_MAX_TIME,
    &CHUNK_ISSUE_347,
    &CHUNK_OUTSIDE,
    &CHUNK_REACHES_OUT,
    &CHUNK_REFERENCE,
    &CHUNK_REFERENCE_TWICE,
    &CHUNK_REFERENCES_FALL,
];
