/* A folder to hand to somebody who is not to come further up. */
#ifndef LIB_SUBTREE_H
#define LIB_SUBTREE_H

/* The folder at path (O_PATH), in a mount of its own, so that `..` in it leads nowhere; who
 * may not make one (not root) gets the plain folder. -1 and errno: there is none. */
int subtree_open(const char *path);

#endif
