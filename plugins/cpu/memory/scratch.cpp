#include "cpu/memory/scratch.h"

#include <new>

// Under AddressSanitizer nothing is kept: it would not notice an access behind the end of what was asked for, if the
// block is larger, nor an access to a block that was freed but kept.
#if defined(__SANITIZE_ADDRESS__)
#define DYNAST_KEEPS_BLOCKS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DYNAST_KEEPS_BLOCKS false
#endif
#endif
#ifndef DYNAST_KEEPS_BLOCKS
#define DYNAST_KEEPS_BLOCKS true
#endif

namespace dynast {
namespace {

constexpr bool kKeepsBlocks = DYNAST_KEEPS_BLOCKS;
constexpr uint64_t kCacheLine = 64;
constexpr uint64_t kMinBytes = uint64_t{1} << 12;
// Limits of what one thread keeps. A block of more than kMaxKeptBytes is never kept.
constexpr int kMaxKeptBlocks = 32;
constexpr uint64_t kMaxKeptBytes = uint64_t{32} << 20;

// Lies one cache line before the memory that the caller gets.
struct Block {
  uint64_t bytes;
};

Block* allocate(uint64_t bytes) {
  Block* block = static_cast<Block*>(::operator new(kCacheLine + bytes, std::align_val_t{kCacheLine}));
  block->bytes = bytes;
  return block;
}

void release(Block* block) noexcept { ::operator delete(block, std::align_val_t{kCacheLine}); }

// The free blocks of one thread, the most recently freed last.
class FreeBlocks {
 public:
  ~FreeBlocks() {
    while (count_ > 0) release(blocks_[--count_]);
  }

  // The smallest block that has room for `bytes` and at most four times as much; of several, the most recently freed.
  // Null if there is none.
  Block* take(uint64_t bytes) {
    int best = -1;
    for (int i = count_ - 1; i >= 0; --i)
      if (blocks_[i]->bytes >= bytes && blocks_[i]->bytes / 4 <= bytes &&
          (best < 0 || blocks_[i]->bytes < blocks_[best]->bytes))
        best = i;
    return best < 0 ? nullptr : remove(best);
  }

  // Releases the blocks that were freed first, until there is room for this one.
  void put(Block* block) {
    if (block->bytes > kMaxKeptBytes) return release(block);
    while (count_ == kMaxKeptBlocks || bytes_ + block->bytes > kMaxKeptBytes) release(remove(0));
    bytes_ += block->bytes;
    blocks_[count_++] = block;
  }

 private:
  Block* remove(int index) {
    Block* block = blocks_[index];
    for (--count_; index < count_; ++index) blocks_[index] = blocks_[index + 1];
    bytes_ -= block->bytes;
    return block;
  }

  Block* blocks_[kMaxKeptBlocks];
  int count_ = 0;
  uint64_t bytes_ = 0;
};

thread_local FreeBlocks free_blocks;

}  // namespace

void* allocate_scratch(uint64_t bytes) {
  Block* block = nullptr;
  if (kKeepsBlocks) {
    if (bytes < kMinBytes) bytes = kMinBytes;
    block = free_blocks.take(bytes);
  }
  if (!block) block = allocate(bytes);
  return reinterpret_cast<char*>(block) + kCacheLine;
}

void free_scratch(void* memory) noexcept {
  Block* block = reinterpret_cast<Block*>(static_cast<char*>(memory) - kCacheLine);
  kKeepsBlocks ? free_blocks.put(block) : release(block);
}

}  // namespace dynast
