/* Values that are sets: texts joined by commas, borrowed. */
#ifndef LIB_CSV_H
#define LIB_CSV_H

#include "lib/der.h"

/* Takes the next text off; false at the end. Start with
 *	struct csv v = csv_of(value);
 * An empty value has one empty text, and so has each pair of commas. */
struct csv {
	struct span left;
	bool more;
};

struct csv csv_of(struct span value);
bool csv_next(struct csv *v, struct span *part);

#endif
