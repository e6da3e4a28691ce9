/* Store: the schema and every statement, so that what is asked of SQLite stands in one
 * place. Statements are static: no word of the issuer's becomes SQL. */
#include "ca/store_sql.h"

/* An index has the row's number as its last column by itself. */
const char store_schema[] =
	"CREATE TABLE state (id INTEGER PRIMARY KEY, format INTEGER NOT NULL, "
	"generation INTEGER NOT NULL, certs INTEGER NOT NULL, "
	"revoked INTEGER NOT NULL, alarms INTEGER NOT NULL, "
	"log_size INTEGER NOT NULL, frontier BLOB);"
	"CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) "
	"WITHOUT ROWID;"
	"CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
	"CREATE TABLE cert (number INTEGER PRIMARY KEY, tail BLOB NOT NULL, "
	"agent BLOB NOT NULL, node INTEGER NOT NULL, type INTEGER NOT NULL, "
	"nb INTEGER NOT NULL, na INTEGER NOT NULL, shard INTEGER NOT NULL, "
	"log INTEGER, proof INTEGER, request BLOB);"
	"CREATE INDEX cert_type ON cert (type);"
	"CREATE INDEX cert_node ON cert (node);"
	"CREATE INDEX cert_agent ON cert (agent);"
	"CREATE INDEX cert_na ON cert (na);"
	"CREATE INDEX cert_proof ON cert (proof) WHERE proof IS NOT NULL;"
	"CREATE TABLE der (number INTEGER PRIMARY KEY, der BLOB NOT NULL);"
	"CREATE TABLE revoked (number INTEGER PRIMARY KEY, "
	"shard INTEGER NOT NULL, na INTEGER NOT NULL, at INTEGER NOT NULL, "
	"reason INTEGER NOT NULL, tail BLOB NOT NULL);"
	"CREATE INDEX revoked_shard ON revoked "
	"(shard, number, na, at, reason, tail);"
	"CREATE INDEX revoked_na ON revoked (na);"
	"CREATE TABLE expiry (slot INTEGER PRIMARY KEY, certs INTEGER NOT NULL, "
	"revoked INTEGER NOT NULL);"
	"CREATE TABLE token (id BLOB PRIMARY KEY, list BLOB NOT NULL, "
	"expires INTEGER NOT NULL, used INTEGER, request BLOB, address TEXT, "
	"alarms INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX token_open ON token (expires) WHERE used IS NULL;"
	"CREATE INDEX token_alarms ON token (alarms) WHERE alarms > 0;"
	"CREATE TABLE alarm (token BLOB NOT NULL, n INTEGER NOT NULL, "
	"time INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (token, n)) "
	"WITHOUT ROWID;"
	"CREATE TABLE log (idx INTEGER PRIMARY KEY, record BLOB NOT NULL);"
	"CREATE TABLE tile (level INTEGER NOT NULL, idx INTEGER NOT NULL, "
	"hash BLOB NOT NULL, PRIMARY KEY (level, idx)) WITHOUT ROWID;"
	"CREATE TABLE note (idx INTEGER PRIMARY KEY, size INTEGER NOT NULL, "
	"text TEXT NOT NULL);"
	"INSERT INTO state VALUES (1, 1, 0, 0, 0, 0, 0, NULL);";

#define FOUND                                                                  \
	"SELECT c.number, c.tail, c.agent, c.node, c.type, c.nb, c.na, "       \
	"c.shard, c.log, c.proof, c.request FROM cert AS c "
#define NEWEST " AND c.number < ?2 ORDER BY c.number DESC"
#define PROBE(what)                                                            \
	"SELECT count(*) FROM (SELECT 1 FROM " what " AND number < ?2 LIMIT ?3)"
#define TOKEN                                                                  \
	"SELECT id, list, used, request, address, alarms, expires FROM token "

const char *const store_sql_text[SQL__MAX] = {
	[SQL_STATE_GET] =
		"SELECT format, generation, certs, revoked, alarms, log_size "
		"FROM state WHERE id = 1",
	[SQL_STATE_PUT] = "UPDATE state SET generation = ?1, certs = ?2, "
			  "revoked = ?3, alarms = ?4, log_size = ?5 "
			  "WHERE id = 1",
	[SQL_FRONTIER_GET] = "SELECT frontier FROM state WHERE id = 1",
	[SQL_FRONTIER_PUT] = "UPDATE state SET frontier = ?1 WHERE id = 1",
	[SQL_META_ALL] = "SELECT name, value FROM meta ORDER BY name",
	[SQL_META_PUT] = "INSERT OR REPLACE INTO meta VALUES (?1, ?2)",
	[SQL_META_DROP] = "DELETE FROM meta WHERE name = ?1",
	[SQL_NAME_ID] = "SELECT id FROM name WHERE text = ?1",
	[SQL_NAME_TEXT] = "SELECT text FROM name WHERE id = ?1",
	[SQL_NAME_ADD] = "INSERT INTO name (text) VALUES (?1)",
	[SQL_CERT_ADD] = "INSERT INTO cert VALUES "
			 "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[SQL_CERT_TOP] = "SELECT max(number) FROM cert",
	[SQL_CERT_PROVEN] = "UPDATE cert SET proof = NULL WHERE number = ?1",
	[SQL_CERT_STATUS] =
		"SELECT c.tail, c.na, c.shard, r.at, r.reason FROM cert AS c "
		"LEFT JOIN revoked AS r ON r.number = c.number "
		"WHERE c.number = ?1",
	[SQL_CERT_LOG] = "SELECT log FROM cert WHERE number = ?1",
	[SQL_DER_ADD] = "INSERT INTO der VALUES (?1, ?2)",
	[SQL_DER_GET] = "SELECT der FROM der WHERE number = ?1",
	[SQL_REVOKED_ADD] = "INSERT INTO revoked VALUES "
			    "(?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_REVOKED_GET] = "SELECT at, reason FROM revoked WHERE number = ?1",
	[SQL_REVOKED_WORSE] =
		"UPDATE revoked SET reason = ?2 WHERE number = ?1",
	[SQL_REVOKED_PAGE] = "SELECT number, na, at, reason, tail FROM revoked "
			     "WHERE number > ?1 ORDER BY number",
	[SQL_REVOKED_SHARD] =
		"SELECT number, na, at, reason, tail FROM revoked "
		"INDEXED BY revoked_shard WHERE shard = ?2 AND number > ?1 "
		"ORDER BY number",
	[SQL_EXPIRY_CERT] =
		"INSERT INTO expiry VALUES (?1, 1, 0) "
		"ON CONFLICT (slot) DO UPDATE SET certs = certs + 1",
	[SQL_EXPIRY_REVOKED] = "UPDATE expiry SET revoked = revoked + 1 "
			       "WHERE slot = ?1",
	[SQL_EXPIRY_SUM] = "SELECT total(certs) - total(revoked) FROM expiry "
			   "WHERE slot > ?1",
	[SQL_EXPIRY_CERTS_IN] = "SELECT count(*) FROM cert INDEXED BY cert_na "
				"WHERE na >= ?1 AND na < ?2",
	[SQL_EXPIRY_REVOKED_IN] =
		"SELECT count(*) FROM revoked INDEXED BY revoked_na "
		"WHERE na >= ?1 AND na < ?2",
	[SQL_TOKEN_ADD] = "INSERT INTO token VALUES "
			  "(?1, ?2, ?3, NULL, NULL, NULL, 0)",
	[SQL_TOKEN_USE] = "UPDATE token SET used = ?2, request = ?3, "
			  "address = ?4 WHERE id = ?1 AND used IS NULL",
	[SQL_TOKEN_ALARM] = "UPDATE token SET alarms = alarms + 1 "
			    "WHERE id = ?1",
	[SQL_TOKEN_GET] = TOKEN "WHERE id = ?1",
	[SQL_TOKEN_OPEN] = TOKEN "INDEXED BY token_open WHERE used IS NULL "
				 "AND expires > ?1 ORDER BY expires LIMIT ?2",
	[SQL_TOKEN_ALARMED] = "SELECT id FROM token INDEXED BY token_alarms "
			      "WHERE alarms > 0 AND EXISTS (SELECT 1 FROM "
			      "alarm WHERE alarm.token = token.id) LIMIT ?1",
	[SQL_ALARM_ADD] = "INSERT INTO alarm VALUES (?1, ?2, ?3, ?4)",
	[SQL_ALARM_COUNT] = "SELECT count(*) FROM alarm WHERE token = ?1",
	[SQL_ALARM_SETTLE] =
		"DELETE FROM alarm WHERE token IN (SELECT id FROM token "
		"INDEXED BY token_alarms WHERE alarms > 0 AND used = ?1)",
	[SQL_ALARM_OF] = "SELECT time, text FROM alarm WHERE token = ?1 "
			 "ORDER BY n",
	[SQL_LOG_ADD] = "INSERT INTO log VALUES (?1, ?2)",
	[SQL_LOG_GET] = "SELECT record FROM log WHERE idx = ?1",
	[SQL_LOG_FROM] = "SELECT idx, record FROM log WHERE idx >= ?1 "
			 "ORDER BY idx LIMIT ?2",
	[SQL_TILE_ADD] = "INSERT INTO tile VALUES (?1, ?2, ?3)",
	[SQL_TILE_GET] = "SELECT hash FROM tile WHERE level = ?1 AND idx = ?2",
	[SQL_NOTE_ADD] = "INSERT INTO note (size, text) VALUES (?1, ?2)",
	[SQL_NOTE_LAST] = "SELECT size, text FROM note ORDER BY idx DESC "
			  "LIMIT 1",
	[SQL_NOTE_FROM] = "SELECT idx, text FROM note WHERE idx >= ?1 "
			  "ORDER BY idx LIMIT ?2",
	[SQL_FIND_NUMBER] = FOUND "WHERE c.number = ?1" NEWEST,
	[SQL_FIND_AGENT] =
		FOUND "INDEXED BY cert_agent WHERE c.agent = ?1" NEWEST,
	[SQL_FIND_NODE] = FOUND "INDEXED BY cert_node WHERE c.node = ?1" NEWEST,
	[SQL_FIND_TYPE] = FOUND "INDEXED BY cert_type WHERE c.type = ?1" NEWEST,
	[SQL_FIND_REVOKED] =
		"SELECT c.number, c.tail, c.agent, c.node, c.type, c.nb, c.na, "
		"c.shard, c.log, c.proof, c.request FROM revoked AS r "
		"CROSS JOIN cert AS c ON c.number = r.number "
		"WHERE r.number < ?2 ORDER BY r.number DESC",
	[SQL_FIND_UNPROVEN] =
		FOUND "INDEXED BY cert_proof WHERE c.proof = 1" NEWEST,
	[SQL_FIND_EXPIRY] =
		FOUND "WHERE c.number IN (SELECT number FROM cert "
		      "INDEXED BY cert_na WHERE na >= ?1 AND na < ?4 "
		      "AND number < ?2) ORDER BY c.number DESC",
	[SQL_FIND_ALL] = FOUND "WHERE c.number < ?2 ORDER BY c.number DESC",
	[SQL_PROBE_AGENT] =
		PROBE("cert INDEXED BY cert_agent WHERE agent = ?1"),
	[SQL_PROBE_NODE] = PROBE("cert INDEXED BY cert_node WHERE node = ?1"),
	[SQL_PROBE_TYPE] = PROBE("cert INDEXED BY cert_type WHERE type = ?1"),
	[SQL_PROBE_REVOKED] = PROBE("revoked WHERE true"),
	[SQL_PROBE_UNPROVEN] =
		PROBE("cert INDEXED BY cert_proof WHERE proof = 1"),
	/* Its entries lie by time: those below a number are all over them. */
	[SQL_PROBE_EXPIRY] =
		"SELECT count(*) FROM (SELECT 1 FROM cert INDEXED BY cert_na "
		"WHERE na >= ?1 AND na < ?4 LIMIT ?3)",
};
