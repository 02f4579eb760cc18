BEGIN TRANSACTION;
CREATE TABLE facts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
INSERT INTO "facts" VALUES(1,'["video",null,false,false,[["thumbnail","000000000000",true,null,"",[],[],true,false,[]]]]');
CREATE TABLE held (media_id TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (media_id, key)) WITHOUT ROWID;
CREATE TABLE media (
    media_id TEXT PRIMARY KEY, media_type TEXT NOT NULL, creator_id TEXT NOT NULL, input_role TEXT NOT NULL,
    input_key TEXT NOT NULL, facts INTEGER NOT NULL, seconds REAL
) WITHOUT ROWID;
INSERT INTO "media" VALUES('m1','video','ann','archive','originals/ann/m1/film.mp4',1,NULL);
CREATE TABLE recipes (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records (
    media_id TEXT NOT NULL, name TEXT NOT NULL, stamp TEXT NOT NULL, known TEXT, problem TEXT,
    applicable INTEGER, code_version TEXT, built_at REAL, bytes INTEGER, seconds REAL, wall REAL, encoder TEXT,
    gpu TEXT, cost REAL,
    PRIMARY KEY (media_id, name)
) WITHOUT ROWID;
INSERT INTO "records" VALUES('m1','media','142  1795889227.145830','{"media_id":"m1","creator_id":"ann","media_type":"video","input_role":"archive","input_key":"originals/ann/m1/film.mp4"}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "records" VALUES('m1','thumbnail','274  1795889227.146564','{"code_version":"000000000000","data_version":"11111111111111111111111111111111","applicable":true,"checked":false,"unreadable":false}',NULL,1,'000000000000',NULL,0,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "state" VALUES('refreshed_at','1795889227.16509');
INSERT INTO "state" VALUES('took','0.000251550001848955');
CREATE INDEX media_by_facts ON media (facts);
COMMIT;
PRAGMA user_version = 2;
