-- Whose an email is, customer or not.
CREATE INDEX known_by_email ON known (email) WHERE email IS NOT NULL;
