"""What the tests of SQL databases find in them; names in braces are put in by the tests."""

from __future__ import annotations

POSTGRESQL = """
create type mood as enum ('sad', 'happy'); create type pair as (a int, b text);
create domain positive as int check (value > 0);
create schema {schema};
create table {schema}.{table} (
  i2 smallint, i8 bigint, f4 real, f8 double precision, n numeric(38, 10), free numeric, wide
  numeric(60, 2),
  b boolean, bin bytea, t text, c char(5), d date, tm time, tz timetz, ts timestamp, tsz timestamptz,
  iv interval, u uuid, m mood, arr int[], deep text[][], j jsonb, bits bit(5), r int4range, p pair, dom
  positive,
  gen int generated always as (i2 * 2) stored, "A" int, "a" int, o oid);
insert into {schema}.{table} values
 (1, 9223372036854775807, 0.3, 0.1, 1234567890123456789012345678.0123456789, 1.5, 1e49, true,
  '\\x00ff', 'a😀''"',
  'ab', '2020-01-02', '24:00', '12:00+02', '1850-01-01 10:00:00.123456', '2020-01-01 10:00+02',
  '1 year 2 mons -3 days +04:05:06.5', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'happy', '{{1,null,3}}',
  '{{{{a,"b,c"}},{{d,null}}}}', '{{"a": [1]}}', B'10101', '[1,5)', '(1,"x y")', 5, default, 1, 2,
  4294967295),
 (null, null, 'NaN', 'Infinity', 'NaN', 3.25, 0, null, '', '', null, 'infinity', null, null,
  '-infinity',
  '0044-03-15 BC', '-1 days +02:03', null, null, '{{}}', null, null, null, null, null, null, default,
  null, null,
  null);
create table nothing(); create table plain (id int primary key, name text);
insert into plain select g, 'n' || g from generate_series(1, 1000) g;
create view broken as select 1 / (id - id) as x from plain; create table secret (x int);
create table state as select g as id, 0 as v from generate_series(1, 500) g;
create role reader login password e'{reader}'; grant select on plain to reader;
create database latin encoding 'LATIN1' template template0 locale 'C';
create database bytes encoding 'SQL_ASCII' template template0 locale 'C';
"""

MARIADB = """
create database {schema}; create database latin character set latin1; create database nothing;
use {schema}; set sql_mode = '';
create table {table} (
  i1 tinyint, u1 tinyint unsigned, i8 bigint, u8 bigint unsigned, z int zerofill, f4 float, f8 double,
  n decimal(38, 10), nu decimal(10, 2) unsigned, wide decimal(65, 30), bit1 bit(1), bits bit(10), bin
  varbinary(9),
  t text, d date, tm time(3), dur time, dt datetime(6), ts timestamp null, y year, m enum('sad',
  'happy'),
  st set('a', 'b'), j json, u uuid, gen int generated always as (i1 * 2) stored);
insert into {table}
  (i1, u1, i8, u8, z, f4, f8, n, nu, wide, bit1, bits, bin, t, d, tm, dur, dt, ts, y, m, st, j, u)
  values
 (-1, 255, -9223372036854775808, 18446744073709551615, 42, 16777216, 0.1,
  1234567890123456789012345678.0123456789, 99999999.99, 1.5, b'1', b'1000000001', x'00ff',
  'a😀\\'"', '2020-01-02',
  '10:00:00.123', '-30:00:00', '1850-01-01 10:00:00.123456', '2020-01-01 10:00', 2020, 'happy', 'a,b',
  '{{"a": 1}}',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
 (null, null, null, null, null, 0.3, 1e-300, null, null, 2.25, b'0', null, '', '', '0000-00-00',
  '23:59:59', null,
  '2020-13-45', '0000-00-00', 0, null, '', null, null);
create table plain (id int primary key, name text); insert into plain select seq, concat('n', seq) from
  seq_1_to_1000;
create table gone (x int); create view broken as select x from gone; drop table gone; create table
  secret (x int);
create table state as select seq as id, 0 as v from seq_1_to_500;
create user reader@'127.0.0.1' identified by '{reader}'; grant select on {schema}.plain to
  reader@'127.0.0.1';
use latin; create table t (x varchar(10)); insert into t values ('é€');
"""

SQLITE = """
create table {table} (
  i integer, r real, s text, b blob, d date, ts datetime, mixed, flag boolean, late date,
  g generated always as (i * 2));
insert into {table} values
  (9007199254740993, 1.5, '007', x'00ff', '1700-05-05', '1850-01-01 10:00:00', 1, 1, '2020-01-02'),
  (null, 9e999, '😀', null, null, null, 'x', 0, 'soon'),
  (-1, 2, '', x'', '2020-01-02', null, x'01', null, '');
insert into {table} (s) values (cast(x'636166e9' as text));
create view broken as select * from nowhere;
"""
