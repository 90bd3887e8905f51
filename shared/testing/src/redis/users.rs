//! The Redis users of every test server: exactly those of `deploy/redis`, and two that only tests have.

/// The files as they are shipped. Passwords are still variables in them.
const SHIPPED: &str = concat!(
    include_str!("../../../../deploy/redis/users.acl"),
    include_str!("../../../../deploy/redis/users-of-servers.acl"),
    include_str!("../../../../deploy/redis/users-of-operators.acl"),
);
/// The users of sentinels themselves.
const AT_SENTINELS: &str = include_str!("../../../../deploy/redis/users-at-sentinels.acl");

/// The password of the user `gateway`.
pub const GATEWAY_PASSWORD: &str = "the-gateways-redis-password";
/// The password of the user `exporter`.
pub const EXPORTER_PASSWORD: &str = "the-exporters-redis-password";
/// The password of the user `operator`.
pub const OPERATOR_PASSWORD: &str = "the-operators-redis-password";
/// The password of the user `callback`.
pub const CALLBACK_PASSWORD: &str = "the-callbacks-redis-password";
/// The user as which replicas connect, and its password. A test can disable it, to disconnect the replicas.
pub(crate) const REPLICATION: &str = "replication";
/// The user as which sentinels connect, and its password.
pub(crate) const SENTINEL: &str = "sentinel";
/// A user who may do everything, and its password: the operator of a test.
pub(crate) const ADMIN: &str = "admin";
/// A user who may do what gateway and callback may do, and its password: for tests whose pods are both.
pub(crate) const POD: &str = "pod";

/// The text of a server's `aclfile`.
pub(crate) fn acl_file() -> String {
    let passwords = [
        ("${GATEWAY_PASSWORD}", GATEWAY_PASSWORD),
        ("${CALLBACK_PASSWORD}", CALLBACK_PASSWORD),
        ("${EXPORTER_PASSWORD}", EXPORTER_PASSWORD),
        ("${OPERATOR_PASSWORD}", OPERATOR_PASSWORD),
        ("${REPLICATION_PASSWORD}", REPLICATION),
        ("${SENTINEL_PASSWORD}", SENTINEL),
    ];
    let shipped = passwords.iter().fold(SHIPPED.to_owned(), |file, (variable, value)| file.replace(variable, value));
    assert!(!shipped.contains('$'), "a user of the files has a password that no test knows");
    let [gateway, callback] = ["gateway", "callback"].map(acl_rules);
    format!("{shipped}user {ADMIN} on >{ADMIN} ~* &* +@all\nuser {POD} on >{POD} {gateway} {callback}\n")
}

/// The rules of this Redis user in `deploy/redis`, in the syntax of `ACL SETUSER`: for tests of a user who
/// lacks one of them. All servers have the user itself already.
///
/// The rules list single commands, because categories allow too much: `@read` contains `KEYS`, and `@connection` contains
/// `CLIENT KILL`.
pub fn acl_rules(user: &str) -> &'static str {
    let entry = format!("user {user} on >");
    let mut lines = SHIPPED.lines().chain(AT_SENTINELS.lines());
    let line = lines.find_map(|line| line.strip_prefix(&entry)).expect("a file has this user");
    // The password comes before the rules.
    line.split_once(' ').expect("the password ends").1
}
