/* doubles.c - the shortest text of a double, by the Grisu2 algorithm of Loitsch, "Printing Floating-Point Numbers
 * Quickly and Accurately with Integers" (2010).
 *
 * The numbers that read back as `d` are an interval between two neighbours. The interval is scaled by a power of ten,
 * so that the digits before its binary point are those of a 32-bit integer. Digits of the upper end are written until
 * the rest is inside the interval; then the last digit is lowered as long as that comes closer to `d`. All arithmetic
 * has 64 bits, and its error is taken off the interval. So the text always reads back as `d`; in about one case of a
 * thousand it has a digit more than needed. */
#include "base/doubles.h"

#include <math.h>

#include "base/numbers.h"

/* A number: f * 2^e. */
typedef struct scaled {
  uint64_t f;
  int e;
} scaled;

/* The powers 10^-348, 10^-340 ... 10^340, rounded to 64 bits. */
enum { FIRST_POWER = -348, POWER_STEP = 8, POWERS = 87 };
static const scaled powers[POWERS] = {
    {0xfa8fd5a0081c0288, -1220}, {0xbaaee17fa23ebf76, -1193}, {0x8b16fb203055ac76, -1166}, {0xcf42894a5dce35ea, -1140},
    {0x9a6bb0aa55653b2d, -1113}, {0xe61acf033d1a45df, -1087}, {0xab70fe17c79ac6ca, -1060}, {0xff77b1fcbebcdc4f, -1034},
    {0xbe5691ef416bd60c, -1007}, {0x8dd01fad907ffc3c, -980},  {0xd3515c2831559a83, -954},  {0x9d71ac8fada6c9b5, -927},
    {0xea9c227723ee8bcb, -901},  {0xaecc49914078536d, -874},  {0x823c12795db6ce57, -847},  {0xc21094364dfb5637, -821},
    {0x9096ea6f3848984f, -794},  {0xd77485cb25823ac7, -768},  {0xa086cfcd97bf97f4, -741},  {0xef340a98172aace5, -715},
    {0xb23867fb2a35b28e, -688},  {0x84c8d4dfd2c63f3b, -661},  {0xc5dd44271ad3cdba, -635},  {0x936b9fcebb25c996, -608},
    {0xdbac6c247d62a584, -582},  {0xa3ab66580d5fdaf6, -555},  {0xf3e2f893dec3f126, -529},  {0xb5b5ada8aaff80b8, -502},
    {0x87625f056c7c4a8b, -475},  {0xc9bcff6034c13053, -449},  {0x964e858c91ba2655, -422},  {0xdff9772470297ebd, -396},
    {0xa6dfbd9fb8e5b88f, -369},  {0xf8a95fcf88747d94, -343},  {0xb94470938fa89bcf, -316},  {0x8a08f0f8bf0f156b, -289},
    {0xcdb02555653131b6, -263},  {0x993fe2c6d07b7fac, -236},  {0xe45c10c42a2b3b06, -210},  {0xaa242499697392d3, -183},
    {0xfd87b5f28300ca0e, -157},  {0xbce5086492111aeb, -130},  {0x8cbccc096f5088cc, -103},  {0xd1b71758e219652c, -77},
    {0x9c40000000000000, -50},   {0xe8d4a51000000000, -24},   {0xad78ebc5ac620000, 3},     {0x813f3978f8940984, 30},
    {0xc097ce7bc90715b3, 56},    {0x8f7e32ce7bea5c70, 83},    {0xd5d238a4abe98068, 109},   {0x9f4f2726179a2245, 136},
    {0xed63a231d4c4fb27, 162},   {0xb0de65388cc8ada8, 189},   {0x83c7088e1aab65db, 216},   {0xc45d1df942711d9a, 242},
    {0x924d692ca61be758, 269},   {0xda01ee641a708dea, 295},   {0xa26da3999aef774a, 322},   {0xf209787bb47d6b85, 348},
    {0xb454e4a179dd1877, 375},   {0x865b86925b9bc5c2, 402},   {0xc83553c5c8965d3d, 428},   {0x952ab45cfa97a0b3, 455},
    {0xde469fbd99a05fe3, 481},   {0xa59bc234db398c25, 508},   {0xf6c69a72a3989f5c, 534},   {0xb7dcbf5354e9bece, 561},
    {0x88fcf317f22241e2, 588},   {0xcc20ce9bd35c78a5, 614},   {0x98165af37b2153df, 641},   {0xe2a0b5dc971f303a, 667},
    {0xa8d9d1535ce3b396, 694},   {0xfb9b7cd9a4a7443c, 720},   {0xbb764c4ca7a44410, 747},   {0x8bab8eefb6409c1a, 774},
    {0xd01fef10a657842c, 800},   {0x9b10a4e5e9913129, 827},   {0xe7109bfba19c0c9d, 853},   {0xac2820d9623bf429, 880},
    {0x80444b5e7aa7cf85, 907},   {0xbf21e44003acdd2d, 933},   {0x8e679c2f5e44ff8f, 960},   {0xd433179d9c8cb841, 986},
    {0x9e19db92b4e31ba9, 1013},  {0xeb96bf6ebadf77d9, 1039},  {0xaf87023b9bf0ee6b, 1066},
};

/* The exponents of a scaled number for which digits() works. */
enum { LEAST_EXPONENT = -60, MOST_EXPONENT = -32 };

/* A power of ten that brings a number with the binary exponent `e` into these bounds; *k: it is 10^*k. */
static scaled power_for(int e, int *k) {
  const double log10_2 = 0.30102999566398114;
  int i = ((int)(-(double)(e + POWERS) * log10_2) - FIRST_POWER) / POWER_STEP;
  for (;;) {
    int sum = e + powers[i].e + 64;
    if (sum < LEAST_EXPONENT)
      i++;
    else if (sum > MOST_EXPONENT)
      i--;
    else
      break;
  }
  *k = FIRST_POWER + i * POWER_STEP;
  return powers[i];
}

static scaled product(scaled a, scaled b) {
  unsigned __int128 p = (unsigned __int128)a.f * b.f + (1ull << 63);
  return (scaled){(uint64_t)(p >> 64), a.e + b.e + 64};
}

static scaled normalized(scaled a) {
  int shift = __builtin_clzll(a.f);
  return (scaled){a.f << shift, a.e - shift};
}

/* Lower the last digit while that brings the text closer to the number. `rest`: how far the text is below the upper
 * end; `wanted`: how far the number is; `unit`: what one of the digit is worth. */
static void closer(char *last, uint64_t delta, uint64_t rest, uint64_t unit, uint64_t wanted) {
  while (rest < wanted && delta - rest >= unit && (rest + unit < wanted || wanted - rest > rest + unit - wanted)) {
    --*last;
    rest += unit;
  }
}

/* Write the digits of a number between `low` and `high`, close to `w`; returns how many, and adds to *k the power of
 * ten of the last one. */
static int digits(char *to, scaled w, scaled high, scaled low, int *k) {
  static const uint32_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
  uint64_t wanted = high.f - w.f, delta = high.f - low.f;
  int point = -high.e, n = 0;
  uint64_t one = 1ull << point;
  uint32_t whole = (uint32_t)(high.f >> point);
  uint64_t part = high.f & (one - 1);
  for (int i = 9; i >= 0; i--) {
    uint32_t digit = whole / tens[i];
    if (digit != 0 || n != 0) to[n++] = (char)('0' + digit);
    whole -= digit * tens[i];
    uint64_t rest = ((uint64_t)whole << point) + part;
    if (rest > delta) continue;
    *k += i;
    closer(to + n - 1, delta, rest, (uint64_t)tens[i] << point, wanted);
    return n;
  }
  for (uint64_t unit = 1;;) {
    part *= 10;
    delta *= 10;
    unit *= 10;
    --*k;
    uint64_t digit = part >> point;
    if (digit != 0 || n != 0) to[n++] = (char)('0' + digit);
    part &= one - 1;
    if (part >= delta) continue;
    closer(to + n - 1, delta, part, one, wanted * unit);
    return n;
  }
}

enum { MOST_DIGITS = 18 };

/* The digits of a positive number, which is these digits as a whole number, times 10^*k. */
static int shortest(char to[MOST_DIGITS], double d, int *k) {
  uint64_t bits;
  memcpy(&bits, &d, sizeof bits);
  const uint64_t hidden = 1ull << 52;
  int e = (int)(bits >> 52 & 2047);
  scaled v = {bits & (hidden - 1), e != 0 ? e - 1075 : -1074};
  if (e != 0) v.f += hidden;

  /* The ends of the interval are half way to the neighbours. The lower one of a power of two is nearer. */
  scaled high = normalized((scaled){(v.f << 1) + 1, v.e - 1});
  int half = v.f == hidden ? 2 : 1;
  scaled low = {(v.f << half) - 1, v.e - half};
  low.f <<= low.e - high.e;
  low.e = high.e;

  int ten;
  scaled power = power_for(high.e, &ten);
  scaled w = product(normalized(v), power);
  high = product(high, power);
  low = product(low, power);
  high.f--;
  low.f++;
  *k = -ten;
  return digits(to, w, high, low, k);
}

/* Write d.ddde+x; returns the end. */
static char *with_exponent(char *p, const char *digit, int n, int exponent) {
  *p++ = digit[0];
  if (n > 1) {
    *p++ = '.';
    memcpy(p, digit + 1, (size_t)(n - 1));
    p += n - 1;
  }
  *p++ = 'e';
  *p++ = exponent < 0 ? '-' : '+';
  return p + rd_format_i64(p, exponent < 0 ? -exponent : exponent);
}

/* Write `n` digits times 10^k, in the form that Redis chooses; returns the end. */
static char *written(char *p, const char *digit, int n, int k) {
  int exponent = n + k - 1;
  int distance = exponent < 0 ? -exponent : exponent;
  if (k >= 0 && distance < n + 7) {
    memcpy(p, digit, (size_t)n);
    memset(p + n, '0', (size_t)k);
    return p + n + k;
  }
  if (k >= 0 || (k <= -7 && distance >= 4)) return with_exponent(p, digit, n, exponent);
  int before = n + k; /* digits before the point */
  if (before > 0) {
    memcpy(p, digit, (size_t)before);
    p += before;
  } else {
    *p++ = '0';
  }
  *p++ = '.';
  for (int i = before; i < 0; i++) *p++ = '0';
  int from = before > 0 ? before : 0;
  memcpy(p, digit + from, (size_t)(n - from));
  return p + n - from;
}

static size_t word(char *dst, const char *text) {
  size_t len = strlen(text);
  memcpy(dst, text, len);
  return len;
}

size_t rd_format_double(char dst[RD_DOUBLE_TEXT], double d) {
  const double most = (double)(INT64_MAX / 2);
  if (d == 0) return word(dst, signbit(d) ? "-0" : "0");
  if (d >= -most && d <= most && (double)(int64_t)d == d) return rd_format_i64(dst, (int64_t)d);
  if (isnan(d)) return word(dst, "nan");
  if (isinf(d)) return word(dst, d > 0 ? "inf" : "-inf");
  char digit[MOST_DIGITS], *p = dst;
  if (d < 0) *p++ = '-';
  int k, n = shortest(digit, fabs(d), &k);
  return (size_t)(written(p, digit, n, k) - dst);
}
