-- oldest_reader: 1
--
-- Events that an older Hogline settled in another order than the lanes' of today: positions up to `last`. Only a copied
-- data directory has them.
CREATE TABLE settled_before (
    connection integer PRIMARY KEY,
    last       bigint NOT NULL,
    positions  bytea NOT NULL             -- MessagePack
);
