/* bcryptprimitives.dll for wine before 9, which has none; the one function that Rust's library takes from it. It is
   for tests under wine alone: Windows has its own. */
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) {
  return RtlGenRandom(data, (ULONG)length) ? TRUE : FALSE;
}
