/* kinds.h - the rows of the store's own kinds of block, for the table rd_kinds (type.h). */
#ifndef RD_STORE_KINDS_H
#define RD_STORE_KINDS_H

#include "store/blob.h"
#include "store/evict.h"
#include "store/index.h"
#include "store/reclaim.h"
#include "store/tree.h"
#include "store/type.h"

#define RD_STORE_KINDS                                                                           \
  [RD_ITEM] = {rd_item_itself, rd_item_move}, [RD_CHUNK] = {rd_chunk_item, rd_chunk_move_block}, \
  [RD_TABLE] = {rd_table_item, rd_table_move_block}, [RD_SEGMENT] = {NULL, rd_index_move_block}, \
  [RD_DIR] = {NULL, rd_index_move_block}, [RD_OVERFLOW] = {NULL, rd_index_move_block},           \
  [RD_GHOST] = {NULL, rd_ghost_drop}, [RD_LEAF] = {rd_tree_item, rd_leaf_move_block},            \
  [RD_NODE] = {rd_tree_item, rd_node_move_block}, [RD_BLOB] = {rd_blob_item, rd_blob_move_block}

#endif
