-- When house was kept last, by whichever process: on Knative retry starts from zero at nearly every tick, and what it
-- remembered itself was gone each time (decision 29). NULL: never.
CREATE TABLE housekept (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    at timestamptz
) WITH (fillfactor = 10);
INSERT INTO housekept DEFAULT VALUES;

ALTER FUNCTION grant_to_roles RENAME TO grant_to_roles_before_0010;
CREATE FUNCTION grant_to_roles() RETURNS boolean
    LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT grant_to_roles_before_0010() THEN
        RETURN false;
    END IF;
    GRANT SELECT, UPDATE ON housekept TO homing_retry;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END $$;
REVOKE EXECUTE ON FUNCTION grant_to_roles FROM PUBLIC;
