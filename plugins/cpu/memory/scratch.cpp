// See memory.h.
#include "cpu/memory/scratch.h"

#include <new>

// AddressSanitizer sees no end of what was asked for inside a piece that is larger, nor one that is given back but
// kept.
#if defined(__SANITIZE_ADDRESS__)
#define DYNAST_KEEPS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DYNAST_KEEPS false
#endif
#endif
#ifndef DYNAST_KEEPS
#define DYNAST_KEEPS true
#endif

namespace dynast {
namespace {

constexpr bool kKeeps = DYNAST_KEEPS;
constexpr uint64_t kLine = 64;
constexpr uint64_t kSmallest = uint64_t{1} << 12;
// What a thread keeps: so many pieces at most, and so many bytes together. A piece larger than that is never kept.
constexpr int kMostPieces = 32;
constexpr uint64_t kMostBytes = uint64_t{32} << 20;

// Stands a line before the memory that is lent.
struct Piece {
  uint64_t bytes;
};

Piece* allocate(uint64_t bytes) {
  Piece* piece = static_cast<Piece*>(::operator new(kLine + bytes, std::align_val_t{kLine}));
  piece->bytes = bytes;
  return piece;
}

void release(Piece* piece) noexcept { ::operator delete(piece, std::align_val_t{kLine}); }

// The pieces that a thread keeps, the last to come back at the end.
class Kept {
 public:
  ~Kept() {
    while (count_ > 0) release(pieces_[--count_]);
  }

  // The smallest piece that fits and is not wasted on so little; of several, the last to come back. Else null.
  Piece* take(uint64_t bytes) {
    int best = -1;
    for (int i = count_ - 1; i >= 0; --i)
      if (pieces_[i]->bytes >= bytes && pieces_[i]->bytes / 4 <= bytes &&
          (best < 0 || pieces_[i]->bytes < pieces_[best]->bytes))
        best = i;
    return best < 0 ? nullptr : remove(best);
  }

  void put(Piece* piece) {
    if (piece->bytes > kMostBytes) return release(piece);
    while (count_ == kMostPieces || bytes_ + piece->bytes > kMostBytes) release(remove(0));
    bytes_ += piece->bytes;
    pieces_[count_++] = piece;
  }

 private:
  Piece* remove(int place) {
    Piece* piece = pieces_[place];
    for (--count_; place < count_; ++place) pieces_[place] = pieces_[place + 1];
    bytes_ -= piece->bytes;
    return piece;
  }

  Piece* pieces_[kMostPieces];
  int count_ = 0;
  uint64_t bytes_ = 0;
};

thread_local Kept kept;

}  // namespace

void* borrow(uint64_t bytes) {
  Piece* piece = nullptr;
  if (kKeeps) {
    if (bytes < kSmallest) bytes = kSmallest;
    piece = kept.take(bytes);
  }
  if (!piece) piece = allocate(bytes);
  return reinterpret_cast<char*>(piece) + kLine;
}

void give_back(void* memory) noexcept {
  Piece* piece = reinterpret_cast<Piece*>(static_cast<char*>(memory) - kLine);
  kKeeps ? kept.put(piece) : release(piece);
}

}  // namespace dynast
