-- Tokens made before there were two kinds open everything, as they did.
ALTER TABLE tokens ADD COLUMN kind TEXT NOT NULL DEFAULT 'private' CHECK (kind IN ('private', 'public'));
