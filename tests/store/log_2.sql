BEGIN TRANSACTION;
CREATE TABLE event (
	sequence INTEGER NOT NULL,
	kind VARCHAR(16) NOT NULL,
	member INTEGER,
	generation INTEGER,
	epoch INTEGER NOT NULL,
	worker VARCHAR(64) NOT NULL,
	at FLOAT NOT NULL,
	detail TEXT NOT NULL,
	PRIMARY KEY (sequence)
);
INSERT INTO "event" VALUES(1,'created',NULL,NULL,0,'',1700000000.0,'{}');
INSERT INTO "event" VALUES(2,'begun',0,0,1,'ann',1700000000.0,'{}');
INSERT INTO "event" VALUES(3,'published',0,0,1,'ann',1700000000.0,'{}');
INSERT INTO "event" VALUES(4,'begun',1,0,1,'ann',1700000000.0,'{}');
INSERT INTO "event" VALUES(5,'published',1,0,1,'ann',1700000000.0,'{}');
INSERT INTO "event" VALUES(6,'begun',2,0,1,'ann',1700000000.0,'{}');
INSERT INTO "event" VALUES(7,'published',2,0,1,'ann',1700000000.0,'{}');
INSERT INTO "event" VALUES(8,'begun',0,1,2,'ann',1700000000.0,'{}');
INSERT INTO "event" VALUES(9,'published',0,1,2,'ann',1700000000.0,'{}');
INSERT INTO "event" VALUES(10,'begun',1,1,2,'ann',1700000000.0,'{}');
INSERT INTO "event" VALUES(11,'published',1,1,2,'ann',1700000000.0,'{}');
INSERT INTO "event" VALUES(12,'begun',2,1,2,'ann',1700000011.0,'{}');
INSERT INTO "event" VALUES(13,'damaged',2,1,2,'ann',1700000011.0,'{"reason":"its bytes have changed","parent":"m00/1","checkpoint":"digest of m00/1","fallback":"m02/0"}');
INSERT INTO "event" VALUES(14,'begun',0,2,3,'ann',1700000011.0,'{}');
INSERT INTO "event" VALUES(15,'failure',0,2,3,'ann',1700000011.0,'{"reason":"broken"}');
INSERT INTO "event" VALUES(16,'given up',0,2,3,'ann',1700000011.0,'{}');
INSERT INTO "event" VALUES(17,'begun',1,2,3,'ann',1700000011.0,'{}');
INSERT INTO "event" VALUES(18,'command',NULL,NULL,0,'',1700000011.0,'{"command":"stop"}');
CREATE TABLE member (
	id INTEGER NOT NULL,
	epoch INTEGER NOT NULL,
	worker VARCHAR(64),
	lease_until FLOAT,
	boot VARCHAR(64),
	steps INTEGER NOT NULL,
	generation INTEGER NOT NULL,
	running BOOLEAN NOT NULL,
	failures INTEGER NOT NULL,
	retired BOOLEAN NOT NULL,
	joined INTEGER NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "member" VALUES(0,3,NULL,NULL,NULL,2,3,0,0,0,0);
INSERT INTO "member" VALUES(1,3,'ann',1021.0,'first',2,2,1,0,0,0);
INSERT INTO "member" VALUES(2,2,NULL,NULL,NULL,1,2,0,0,0,0);
CREATE TABLE run (
	id INTEGER NOT NULL,
	schema INTEGER NOT NULL,
	spec TEXT NOT NULL,
	status VARCHAR(16) NOT NULL,
	message TEXT NOT NULL,
	command VARCHAR(16) NOT NULL,
	best_member INTEGER,
	best_generation INTEGER,
	best_better FLOAT,
	num_segments INTEGER NOT NULL,
	swept INTEGER NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "run" VALUES(1,2,'{"name":"run","seed":0,"population":3,"steps":4,"interval":1,"evaluate_every":null,"metric":null,"synchronous":false,"max_failures":0,"allow_pickle":false,"entry":null,"code":null,"space":{"dimensions":[{"name":"lr","kind":"Uniform","low":0.0,"high":1.0}]},"policy":{"kind":"PBT","exploit":{"kind":"Truncation","fraction":0.2},"explore":{"kind":"Perturb","factors":[0.8,1.2]},"copy":"both","compare":"latest","burn_in":0,"guard":{"kind":"Guard","min_std":0.0,"min_percent":0.0,"trim":0.2,"spare":false,"explores":false},"initial":[]},"mode":"max"}','unfinished','','stop',0,0,0.5,7,4611686018427387904);
CREATE TABLE segment (
	member INTEGER NOT NULL,
	generation INTEGER NOT NULL,
	parent_member INTEGER,
	parent_generation INTEGER,
	donor_member INTEGER,
	donor_generation INTEGER,
	start_step INTEGER NOT NULL,
	end_step INTEGER NOT NULL,
	member_start INTEGER NOT NULL,
	hyperparameters TEXT NOT NULL,
	why TEXT NOT NULL,
	snapshot INTEGER NOT NULL,
	begun INTEGER NOT NULL,
	ended INTEGER,
	status VARCHAR(16) NOT NULL,
	score FLOAT,
	reason TEXT,
	evaluations TEXT NOT NULL,
	checkpoint VARCHAR(64),
	checkpoint_bytes INTEGER NOT NULL,
	checkpoint_kept BOOLEAN NOT NULL,
	asked BOOLEAN NOT NULL,
	damaged INTEGER,
	parent_damaged BOOLEAN NOT NULL,
	fallback_member INTEGER,
	fallback_generation INTEGER,
	worker VARCHAR(64) NOT NULL,
	epoch INTEGER NOT NULL,
	begun_at FLOAT NOT NULL,
	ended_at FLOAT,
	PRIMARY KEY (generation, member)
)
 WITHOUT ROWID
;
INSERT INTO "segment" VALUES(0,0,NULL,NULL,NULL,NULL,0,1,0,'{"lr":0.5}','{"rule":"test"}',1,2,3,'finished',0.5,NULL,'[]','digest of m00/0',7,1,0,NULL,0,NULL,NULL,'ann',1,1700000000.0,1700000000.0);
INSERT INTO "segment" VALUES(1,0,NULL,NULL,NULL,NULL,0,1,0,'{"lr":0.5}','{"rule":"test"}',3,4,5,'finished',0.5,NULL,'[]','digest of m01/0',7,0,0,NULL,0,NULL,NULL,'ann',1,1700000000.0,1700000000.0);
INSERT INTO "segment" VALUES(2,0,NULL,NULL,NULL,NULL,0,1,0,'{"lr":0.5}','{"rule":"test"}',5,6,7,'finished',0.5,NULL,'[]','digest of m02/0',7,1,0,NULL,0,NULL,NULL,'ann',1,1700000000.0,1700000000.0);
INSERT INTO "segment" VALUES(0,1,0,0,NULL,NULL,1,2,1,'{"lr":0.5}','{"rule":"test"}',7,8,9,'finished',0.5,NULL,'[]','digest of m00/1',7,0,0,13,0,NULL,NULL,'ann',2,1700000000.0,1700000000.0);
INSERT INTO "segment" VALUES(1,1,0,1,0,1,2,3,1,'{"lr":0.5}','{"rule":"test"}',9,10,11,'diverged',NULL,'the score is nan','[[2,"nan",{"loss":"inf","acc":0.25}]]','digest of m01/1',7,1,0,NULL,0,NULL,NULL,'ann',2,1700000000.0,1700000000.0);
INSERT INTO "segment" VALUES(2,1,0,1,0,1,2,2,1,'{"lr":0.5}','{"rule":"test"}',11,12,13,'failed',NULL,'its bytes have changed','[]',NULL,0,0,0,NULL,1,2,0,'ann',2,1700000011.0,1700000011.0);
INSERT INTO "segment" VALUES(0,2,0,1,NULL,NULL,2,2,2,'{"lr":0.5}','{"rule":"test"}',13,14,16,'failed',NULL,'broken','[]',NULL,0,0,0,NULL,0,NULL,NULL,'ann',3,1700000011.0,1700000011.0);
INSERT INTO "segment" VALUES(1,2,1,1,NULL,NULL,3,4,2,'{"lr":0.5}','{"rule":"test"}',16,17,NULL,'running',NULL,NULL,'[]',NULL,0,0,0,NULL,0,NULL,NULL,'ann',3,1700000011.0,NULL);
CREATE INDEX segment_damaged ON segment (damaged) WHERE damaged IS NOT NULL;
CREATE INDEX segment_ended ON segment (ended);
CREATE INDEX segment_failed ON segment (parent_member, parent_generation) WHERE status = 'failed';
CREATE INDEX segment_fallback ON segment (fallback_member, fallback_generation) WHERE fallback_member IS NOT NULL;
CREATE INDEX segment_kept ON segment (checkpoint) WHERE checkpoint_kept = 1;
CREATE INDEX segment_running ON segment (parent_member, parent_generation) WHERE ended IS NULL;
COMMIT;
