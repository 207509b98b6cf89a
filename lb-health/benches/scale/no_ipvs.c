/* Preloaded into keepalived: its netlink calls towards IPVS succeed and do nothing, so that the check engine can be
 * measured on a kernel without IPVS. Nothing that it measures is better or worse by this: in the steady state of the
 * benchmark there are no such calls. */

typedef int (*callback)(void *message, void *argument);

enum { FINISH = 1, ACK = 4, KINDS = 12 };

static callback on[KINDS];
static void *argument[KINDS];

int genl_ctrl_resolve(void *socket, const char *family)
{
	(void)socket, (void)family;
	return 99;
}

int nl_socket_modify_cb(void *socket, int type, int kind, callback function, void *with)
{
	(void)socket, (void)kind;
	if (type >= 0 && type < KINDS) {
		on[type] = function;
		argument[type] = with;
	}
	return 0;
}

int nl_send_auto(void *socket, void *message)
{
	(void)socket, (void)message;
	return 1;
}

int nl_recvmsgs_default(void *socket)
{
	(void)socket;
	if (on[FINISH])
		on[FINISH](0, argument[FINISH]);
	if (on[ACK])
		on[ACK](0, argument[ACK]);
	return 0;
}
