/* blocks.h - the layout of regions: a shard's heap and its blocks, which hold indexes and items. A change here raises
 * RD_LAYOUT. */
#ifndef RD_BLOCKS_H
#define RD_BLOCKS_H

#include "arena/arena.h"

/* ---- heap ----
 *
 * A region is 64 KiB of one shard, cut into blocks without a gap:
 *
 *   0        8                                                                   65536
 *   +--------+--------+----------------+-----------+-------------------+---------+
 *   | unused | ITEM   | CHUNK          | free      | SEGMENT           | ITEM    |
 *   +--------+--------+----------------+-----------+-------------------+---------+
 *            rd_region_first           |           |
 *                                      |           +-----------------------------------+
 *   a free block:                      0                     4         9         14    |
 *                                      +---------------------+---------+---------+-----+
 *   in the list of its size,           | rd_blk: granules:13 | next:40 | prev:40 |     |
 *   rd_heap.free[row][col]             |   prev:13 kind:6    |         |         |     |
 *                                      +---------------------+---------+---------+-----+
 *
 * The first word of a block has its own length and that of the block before it. So its neighbours are found in both
 * directions, and free ones are joined at once. Behind that word an allocated block holds what its kind says. */

#define RD_GRANULE 8u
#define RD_REGION_GRANULES (RD_REGION_SIZE / RD_GRANULE - 1) /* the region's first granule holds no block */
#define RD_MIN_BLOCK 16u
#define RD_MAX_BLOCK 8184u /* bytes of the largest block: eight fit into a region */
#define RD_FREE_ROWS 11u   /* size classes: rows are powers of two, eight columns each */
#define RD_FREE_COLS 8u

/* The contents of a block. Its owner can be found from the block alone, so that a region can be emptied. */
typedef enum rd_kind {
  RD_FREE = 0,
  RD_ITEM = 1,
  RD_CHUNK = 2,    /* a piece of a large value; owned by a table */
  RD_TABLE = 3,    /* references to chunks; owned by an item or a blob */
  RD_SEGMENT = 4,  /* buckets of an index */
  RD_DIR = 5,      /* references to segments or to other directories */
  RD_OVERFLOW = 6, /* a bucket that continues another */
  RD_GHOST = 7,    /* S3-FIFO's memory of keys that were evicted */
  RD_LEAF = 8,     /* entries of a collection; owned by a node, or by an item */
  RD_NODE = 9,     /* references to leaves or nodes; owned by a node, or by an item */
  RD_BLOB = 10,    /* a string outside of the entry of a collection; owned by the block with that entry */
  RD_KINDS = 64    /* six bits; one without a row in rd_kinds (store/type.h) is damage */
} rd_kind;

/* The first word of every block: granules:13, granules of the block before it (0 in the region's first block):13,
 * kind:6. */
typedef uint32_t rd_blk;
#define RD_BLK(granules, prev, kind) ((rd_blk)(granules) | (rd_blk)(prev) << 13 | (rd_blk)(kind) << 26)
static inline uint32_t rd_blk_granules(rd_blk b) { return b & 8191u; }
static inline uint32_t rd_blk_prev(rd_blk b) { return b >> 13 & 8191u; }
static inline rd_kind rd_blk_kind(rd_blk b) { return (rd_kind)(b >> 26); }
static inline uint32_t rd_blk_bytes(rd_blk b) { return rd_blk_granules(b) * RD_GRANULE; }

typedef struct rd_heap {
  uint32_t rows;              /* bit r: row r has a free block */
  uint8_t cols[RD_FREE_ROWS]; /* bit c: list (r, c) is not empty */
  uint32_t regions;           /* regions owned */
  uint32_t first_region;      /* index + 1 of the newest region; 0: none */
  uint64_t used;              /* bytes of allocated blocks */
  rd_ref free[RD_FREE_ROWS][RD_FREE_COLS];
} rd_heap;

struct rd_region {
  uint32_t owner; /* shard + 1; 0: in the pool */
  uint32_t next;  /* index + 1 of the next region in the owner's list, or in the pool's */
  uint32_t prev;  /* index + 1 of the previous region in the owner's list; in the pool RD_BACKED, if it has memory */
  uint32_t used;  /* granules of allocated blocks */
};

#define RD_BACKED 1u

/* ---- index ----
 *
 * A bucket is one cache line. A lookup compares its ten tags at once, and follows the reference where one matches:
 *
 *   0                                       40                  50                  60     62    64
 *   +---+---+---+---+---+---+---+---+---+---+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+------+-----+
 *   |lo0|lo1|   |   |   |   |   |   |   |lo9|h|h| | | | | | | |h|t|t| | | | | | | |t| bits | due |
 *   +---+---+---+---+---+---+---+---+---+---+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+------+-----+
 *
 *   entry 0: lo0 and the first h, 40 bits, times 8: the offset of an item's block; the first t is its tag
 *   entry 9: the same, or, when `bits` says RD_BUCKET_OVERFLOW, the offset of the OVERFLOW block with the next bucket
 *
 * Up to 64 buckets lie in a SEGMENT, which rd_index.root refers to; above that a DIR lists up to 512 segments, and
 * above 32,768 buckets another DIR lists those. */

#define RD_BUCKET_SLOTS 10u
#define RD_BUCKET_OVERFLOW 0x8000u
#define RD_BUCKET_TIMED 0x4000u /* an entry's value may have parts that expire (type.h) */

/* One cache line. An entry is a 40-bit reference in granules and a one-byte tag of the hash (0: empty). */
typedef struct rd_bucket {
  uint32_t lo[RD_BUCKET_SLOTS];
  uint8_t hi[RD_BUCKET_SLOTS];
  uint8_t tag[RD_BUCKET_SLOTS];
  uint16_t bits; /* bit i: entry i has an expiry. RD_BUCKET_OVERFLOW: entry 9 refers to the next bucket of the chain */
  uint16_t due;  /* coarse time before which no entry of this bucket, and no part of one, expires (expire.c);
                    meaningless without bits */
} rd_bucket;

typedef struct rd_index {
  rd_ref root; /* the segment or directory; 0: the index has no bucket */
  uint32_t buckets;
  uint32_t count;    /* keys */
  uint32_t with_ttl; /* keys with an expiry */
  uint8_t height;    /* 0: root is a segment, 1: a directory, 2: a directory of directories */
  uint8_t timed;     /* 1: a bucket may have RD_BUCKET_TIMED */
  uint8_t spare[2];
} rd_index;

/* Heads of the index's blocks. The buckets of a segment begin at the next multiple of 64 after its head. */
typedef struct rd_index_block {
  rd_blk blk;
  uint32_t owner; /* slot << 27 | number: of the segment, of the directory page + 1 (0: the root), of the bucket */
} rd_index_block;

/* ---- items ----
 *
 * A small item is one block; its type says what the bytes of its value mean (store/type.h):
 *
 *   0     4        8         9      10    12         20                   20 + key_len
 *   +-----+--------+---------+------+-----+----------+--------------------+--------------------+
 *   | blk | access | key_len | type | len | expiry   | key                | value, `len` bytes |   ITEM
 *   +-----+--------+---------+------+-----+----------+--------------------+--------------------+
 *                                           only with RD_ITEM_TTL; without it the key begins at 12
 *
 * A big item has its value in chunks. Each block names its owner, so that any of them can be moved, or evicted with all
 * the others:
 *
 *   0              12        16       20    28       36                   36 + 8 * tables
 *   +--------------+---------+--------+-----+--------+----------+--- - - -+---------------------+
 *   | as above     | key_len | tables | len | expiry | table[0] |         | key, if it is short |  ITEM, RD_ITEM_BIG
 *   +--------------+---------+--------+-----+--------+----|-----+--- - - -+---------------------+
 *   ^                                                     v
 *   |              0     4        8      16         24                                   8184
 *   |              +-----+--------+------+----------+----------+--- - - -+---------------+
 *   |              | blk | number | owner| chunk[0] | chunk[1] |         | chunk[1020]   |        TABLE
 *   |              +-----+--------+---|--+----|-----+----------+--- - - -+---------------+
 *   +---------------------------------+       v
 *                  ^           0     4        8       16                                 8184
 *                  |           +-----+--------+-------+----------------------------------+
 *                  |           | blk | number | table | 8,168 bytes of the stream        |        CHUNK
 *                  |           +-----+--------+---|---+----------------------------------+
 *                  +------------------------------+
 *
 * The stream is the key, when it is longer than RD_INLINE_KEY, and then the value. Eight chunks fill a region. */

struct rd_item {
  rd_blk blk;
  uint32_t access; /* 24 bits for the eviction policy, slot:5, flags:3 */
  uint8_t key_len; /* bytes of a small item's key */
  uint8_t type;    /* type:4, encoding:4 */
  uint16_t len;    /* bytes of a small item's value */
};
#define RD_ITEM_HEAD 12u
#define RD_ACCESS_MASK 0xffffffu
#define RD_ITEM_SLOT_SHIFT 24u
#define RD_ITEM_TTL (1u << 29) /* the item has the field `expiry`, which may be RD_NO_EXPIRY */
#define RD_ITEM_BIG (1u << 30)
#define RD_ITEM_MAIN (1u << 31) /* S3-FIFO: in the main queue */

/* A big item goes on with this; then the expiry if any, the references to its tables, and the key when it is inline.
 * Its stream, cut into chunks, is the key when that is not inline, and then the value. */
typedef struct rd_big {
  uint32_t key_len;
  uint32_t tables;
  uint64_t len;
} __attribute__((packed, aligned(4))) rd_big; /* 12 bytes into its block */
#define RD_BIG_HEAD (RD_ITEM_HEAD + (uint32_t)sizeof(rd_big))
#define RD_INLINE_KEY 4096u

typedef struct rd_chunk {
  rd_blk blk;
  uint32_t number; /* place in its table */
  rd_ref table;
  uint8_t data[];
} rd_chunk;
#define RD_CHUNK_HEAD 16u
#define RD_CHUNK_DATA (RD_MAX_BLOCK - RD_CHUNK_HEAD)

typedef struct rd_table {
  rd_blk blk;
  uint32_t number; /* place in its owner */
  rd_ref owner;    /* an item, or a blob */
  rd_ref chunk[];
} rd_table;
#define RD_TABLE_HEAD 16u
#define RD_TABLE_CHUNKS ((RD_MAX_BLOCK - RD_TABLE_HEAD) / 8u)

/* A string outside of the entry of a collection (blob.h): its bytes, or, when one block cannot hold them, the
 * references to the tables of its chunks, like those of a big item. */
typedef struct rd_blob {
  rd_blk blk;
  uint32_t len; /* bytes of the string */
  rd_ref owner; /* the block with the entry that refers to it; 0: no entry does yet */
  uint8_t data[];
} rd_blob;
#define RD_BLOB_HEAD 16u

/* ---- trees ----
 *
 * The value of an item that is a tree is the tree's head: the reference of its root, and sums (store/tree.h).
 *
 *   0     4      6       8        16                16 + used
 *   +-----+------+-------+--------+-----------------+- - - -
 *   | blk | used | count | parent | entries         |                                                   LEAF
 *   +-----+------+-------+--------+-----------------+- - - -
 *   0     4   5     6       7       8        16         16 + 8 * cap     16 + 16 * cap    16 + 20 * cap
 *   +-----+---+-----+-------+-------+--------+----------+----------------+----------------+
 *   | blk | n | cap | level | spare | parent | order[n] | child[n]       | count[n]       |             NODE
 *   +-----+---+-----+-------+-------+--------+----------+----------------+----------------+ */

typedef struct rd_leaf {
  rd_blk blk;
  uint16_t used;  /* bytes of entries; the bits RD_LEAF_BLOBS and RD_LEAF_EVEN */
  uint16_t count; /* entries */
  rd_ref parent;  /* the node, or of a root the item */
  uint8_t data[];
} rd_leaf;
#define RD_LEAF_HEAD 16u
#define RD_LEAF_BLOBS 0x8000u /* entries may refer to blobs */
#define RD_LEAF_EVEN 0x4000u  /* all entries have the same length */
#define RD_LEAF_USED 0x3fffu
_Static_assert(RD_MAX_BLOCK <= RD_LEAF_USED, "the bytes of a leaf");

typedef struct rd_node {
  rd_blk blk;
  uint8_t n;     /* children */
  uint8_t cap;   /* children that it has room for */
  uint8_t level; /* 1: the children are leaves */
  uint8_t spare;
  rd_ref parent;
  uint64_t order[]; /* no entry of child i, and no later one, has a lower order */
} rd_node;
#define RD_NODE_HEAD 16u
#define RD_NODE_CHILD 20u /* bytes for each child */
#define RD_NODE_MAX 64u

#endif
