/* budget.c - counts the work of C functions. */
#include "script/budget.h"

#include <stddef.h>

void rd_spend(lua_State *L, uint64_t steps) {
  void *ud = NULL;
  (void)rd_lua.getallocf(L, &ud);
  rd_budget *budget = ud;
  budget->spent += steps;
  if (budget->step == 0 || budget->spent < budget->step) return;
  budget->spent = 0;
  budget->look(L);
}
