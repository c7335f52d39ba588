# Stands in for the library image mysql:8.4 where MySQL itself cannot be had: MariaDB of Debian bookworm.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN groupadd --system --gid 999 mysql \
 && useradd --system --uid 999 --gid 999 --home-dir /var/lib/mysql --no-create-home mysql \
 && apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends mariadb-server > /dev/null \
 && rm -rf /var/lib/apt/lists/* /var/lib/mysql /etc/mysql/mariadb.conf.d/* /var/log/* \
 && mkdir -p /etc/mysql/conf.d /var/lib/mysql-files \
 && install -d -o mysql -g mysql -m 1777 /var/lib/mysql /run/mysqld
COPY server.cnf /etc/mysql/mariadb.conf.d/server.cnf
COPY docker-entrypoint.sh /usr/local/bin/
RUN chmod 644 /etc/mysql/mariadb.conf.d/server.cnf
VOLUME /var/lib/mysql
EXPOSE 3306
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["mysqld"]
