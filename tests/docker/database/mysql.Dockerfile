# Stands in for the library image mysql:8.4: Oracle's MySQL as Debian sid packages it.
ARG BASE=debian:sid-slim
FROM ${BASE}
RUN groupadd --system --gid 999 mysql \
 && useradd --system --uid 999 --gid 999 --home-dir /var/lib/mysql --no-create-home mysql \
 && apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends mysql-server > /dev/null \
 && rm -rf /var/lib/apt/lists/* /var/lib/mysql /etc/mysql/mysql.conf.d/* /var/log/* \
 && mkdir -p /etc/mysql/conf.d /var/lib/mysql-files \
 && install -d -o mysql -g mysql -m 1777 /var/lib/mysql /run/mysqld
COPY server.cnf /etc/mysql/mysql.conf.d/server.cnf
COPY docker-entrypoint.sh /usr/local/bin/
RUN chmod 644 /etc/mysql/mysql.conf.d/server.cnf
VOLUME /var/lib/mysql
EXPOSE 3306 33060
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["mysqld"]
